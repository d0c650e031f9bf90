// The arena: outline, paths and skeletons of one frame on a canvas, in cm (px where the video has no scale).
"use strict";
const Arena = (() => {
  const { $ } = Ui;
  const STEP = 30; // frames from pose to pose that `around` looks at
  const PAD = 14, FOOT = 22; // CSS px round the arena, and under it for the scale
  const NEAR = 18, ROOM = 14; // cm (px / 20): the least that a close-up shows, and what it adds to the mice's distance
  let page, mice, bounds, canvas, context, size = { width: 0, height: 0 };
  let paths = null; // offscreen: the floor and the paths of the shown time
  let view = { k: 1, x: 0, y: 0 }; // zoom and shift on top of the fit
  let last = { frame: null, mice: [] };
  let measured = false; // by the outline or the seconds; else `bounds` are those of the poses round the frame
  let shown = null; // what was asked for last: {frame, path, from, to}

  function open(content) {
    page = content;
    canvas = $("arena");
    context = canvas.getContext("2d");
    mice = page.mice.map((mouse, m) => {
      const track = new Map();
      page.tracks.forEach(([id, part], k) => { if (id === mouse.id) track.set(part, k); });
      return { ...mouse, index: m, track };
    });
    bounds = around();
    listen();
  }

  const hasSeconds = () => page.mice.some((mouse) => mouse.seconds.x.some((x) => x !== null));

  /** All that may be seen: the outline and every second of every mouse; before these are read the poses round a frame. */
  function around(frame = 0) {
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    const add = (x, y) => { left = Math.min(left, x); right = Math.max(right, x); top = Math.min(top, y); bottom = Math.max(bottom, y); };
    const a = page.arena;
    if (a) { add(a.x - a.width / 2, a.y - a.height / 2); add(a.x + a.width / 2, a.y + a.height / 2); }
    measured = Boolean(a) || hasSeconds();
    for (const mouse of page.mice) mouse.seconds.x.forEach((x, i) => { if (x !== null) add(x / 100, mouse.seconds.y[i] / 100); });
    const first = frame - (frame % page.sliceFrames);
    for (let f = first; !measured && f < first + page.sliceFrames; f += STEP) page.tracks.forEach((_, k) => { const p = Slices.point(k, f); if (p) add(p.x, p.y); });
    if (!(right > left)) [left, right] = [-1, 1];
    if (!(bottom > top)) [top, bottom] = [-1, 1];
    return { left, right, top, bottom };
  }

  /** Measure the floor anew: the seconds of the animals have come, or only the poses round this frame. */
  function measure(frame = 0) {
    bounds = around(frame);
    size = { width: 0, height: 0 };
    paths = null;
  }

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colorOf = (m) => style(`--mouse${(m % 4) + 1}`);
  let colors = {};
  function useTheme() {
    colors = { mice: page.mice.map((_, m) => colorOf(m)), fg: style("--fg"), muted: style("--muted"), line: style("--line"), grid: style("--grid"), floor: style("--floor") };
    paths = null;
  }

  function resize() {
    const width = canvas.parentNode.clientWidth;
    const aspect = (bounds.bottom - bounds.top) / (bounds.right - bounds.left);
    const height = Math.round(Math.max(220, Math.min(width * aspect + FOOT, Math.min(480, innerHeight * 0.62))));
    if (width === size.width && height === size.height) return;
    size = { width, height };
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
    paths = null;
  }

  const fit = () => Math.min((size.width - 2 * PAD) / (bounds.right - bounds.left), (size.height - 2 * PAD - FOOT) / (bounds.bottom - bounds.top));
  const scale = () => view.k * fit();
  /** From cm to CSS px of the canvas. */
  function project(point) {
    const s = scale();
    return {
      x: size.width / 2 + view.x + (point.x - (bounds.left + bounds.right) / 2) * s,
      y: (size.height - FOOT) / 2 + view.y + (point.y - (bounds.top + bounds.bottom) / 2) * s,
    };
  }

  /** The view of a close-up: it glides along the means of each second, so that it does not tremble with the points. */
  function near(frame) {
    const spots = [];
    for (const { x, y } of page.mice.map((mouse) => mouse.seconds)) {
      const t = frame / page.fps - 0.5, i = Math.max(0, Math.floor(t)), j = Math.min(i + 1, x.length - 1);
      const [a, b] = [x[i] === null ? j : i, x[j] === null ? i : j], share = Math.max(0, Math.min(1, t - i));
      if (x[a] !== null && x[a] !== undefined) spots.push({ x: (x[a] * (1 - share) + x[b] * share) / 100, y: (y[a] * (1 - share) + y[b] * share) / 100 });
    }
    if (!spots.length) return { k: 1, x: 0, y: 0 };
    const range = (name) => { const v = spots.map((s) => s[name]); return { middle: (Math.min(...v) + Math.max(...v)) / 2, span: Math.max(...v) - Math.min(...v) }; };
    const x = range("x"), y = range("y"), unit = page.unit === "cm" ? 1 : 20;
    const wanted = (span) => Math.max(NEAR * unit, span + ROOM * unit);
    const s = Math.min(size.width / wanted(x.span), size.height / wanted(y.span));
    const k = Math.max(1, s / fit());
    return { k, x: -(x.middle - (bounds.left + bounds.right) / 2) * k * fit(), y: -(y.middle - (bounds.top + bounds.bottom) / 2) * k * fit() };
  }

  // --- the floor and the paths ---------------------------------------------------------------------------
  function floor(c) {
    const s = scale(), a = page.arena, step = niceStep((bounds.right - bounds.left) / 5 / view.k);
    c.lineWidth = 1;
    c.strokeStyle = colors.grid;
    c.beginPath();
    for (let x = Math.ceil((bounds.left - 50) / step) * step; x <= bounds.right + 50; x += step) { const p = project({ x, y: 0 }).x; c.moveTo(p, 0); c.lineTo(p, size.height); }
    for (let y = Math.ceil((bounds.top - 50) / step) * step; y <= bounds.bottom + 50; y += step) { const p = project({ x: 0, y }).y; c.moveTo(0, p); c.lineTo(size.width, p); }
    c.stroke();
    if (a) {
      const p = project(a);
      c.strokeStyle = colors.muted;
      c.lineWidth = a.what === "arena" ? 2 : 1;
      c.setLineDash(a.what === "arena" ? [] : [5, 4]);
      c.beginPath();
      if (a.shape === "circle") c.ellipse(p.x, p.y, (a.width / 2) * s, (a.height / 2) * s, 0, 0, 2 * Math.PI);
      else c.rect(p.x - (a.width / 2) * s, p.y - (a.height / 2) * s, a.width * s, a.height * s);
      c.stroke();
      c.setLineDash([]);
    }
    c.fillStyle = colors.muted;
    c.strokeStyle = colors.muted;
    c.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    c.lineWidth = 2;
    c.beginPath();
    c.moveTo(PAD + 4, size.height - 8);
    c.lineTo(PAD + 4 + step * s, size.height - 8);
    c.stroke();
    c.fillText(`${step} ${page.unit}`, PAD + 4, size.height - 13);
  }

  function niceStep(raw) {
    const power = 10 ** Math.floor(Math.log10(raw));
    return power * [1, 2, 5, 10].find((m) => m * power >= raw);
  }

  /** The path of each mouse in frames from..to: by frame where that is loaded, else by second. */
  function path(c, from, to, exact, alpha) {
    c.lineJoin = c.lineCap = "round";
    mice.forEach((mouse, m) => {
      const k = mouse.track.get(mouse.centre);
      c.strokeStyle = colors.mice[m];
      c.globalAlpha = alpha;
      c.lineWidth = 1.25;
      c.beginPath();
      let pen = false;
      const put = (point) => {
        if (!point) { pen = false; return; }
        const p = project(point);
        if (pen) c.lineTo(p.x, p.y);
        else c.moveTo(p.x, p.y);
        pen = true;
      };
      if (exact) for (let f = Math.max(0, Math.floor(from)); f <= to && f < page.frames; f++) put(Slices.point(k, f));
      else {
        const { x, y } = mouse.seconds;
        for (let i = Math.max(0, Math.floor(from / page.fps)); i <= to / page.fps && i < x.length; i++) put(x[i] === null ? null : { x: x[i] / 100, y: y[i] / 100 });
      }
      c.stroke();
    });
    c.globalAlpha = 1;
  }

  /** In a close-up the path is drawn anew for every frame: that of 10 s before and after it. */
  function around10(frame, asked) {
    const from = Math.max(asked.from, frame - 10 * page.fps), to = Math.min(asked.to, frame + 10 * page.fps);
    return { ...asked, from, to, exact: Slices.want(from, to - 1) };
  }

  // --- one frame -----------------------------------------------------------------------------------------
  /** Draw `frame`. `asked`: {path: window|tail|none, near} and {from, to, exact} of the shown time. */
  function draw(frame, asked) {
    if (!measured) measure(frame);
    resize();
    if (!canvas.width) return; // hidden, or in a window without a width
    if (asked.near) view = near(frame);
    else if (shown && shown.asked.near) view = { k: 1, x: 0, y: 0 };
    shown = { frame, asked };
    if (asked.near) asked = around10(frame, asked);
    const ratio = canvas.width / size.width;
    const key = [asked.path, asked.path === "window" ? `${asked.from} ${asked.to} ${asked.exact}` : "", view.k, view.x, view.y].join("|");
    if (!paths || paths.key !== key) {
      const layer = document.createElement("canvas");
      layer.width = canvas.width;
      layer.height = canvas.height;
      const c = layer.getContext("2d");
      c.scale(ratio, ratio);
      floor(c);
      const long = Math.min(1, 900 / Math.max(1, (asked.to - asked.from) / page.fps)); // an hour of path is faint
      if (asked.path === "window") path(c, asked.from, asked.to, asked.exact, 0.08 + 0.27 * long);
      paths = { key, layer };
    }
    const c = context;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, canvas.width, canvas.height);
    if (asked.film) film(c, ratio, asked.film);
    c.drawImage(paths.layer, 0, 0);
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (asked.path === "tail") path(c, frame - 3 * page.fps, frame, true, 0.6);
    last = { frame, mice: mice.map((mouse) => skeleton(c, mouse, frame)) };
    canvas.dataset.frame = frame;
  }

  /** The picture of the film, where the arena's outline says that it lies. */
  function film(c, ratio, picture) {
    const a = page.picture;
    if (!a || picture.readyState < 2) return;
    const s = scale(), p = project(a);
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.drawImage(picture, p.x - (a.width / 2) * s, p.y - (a.height / 2) * s, a.width * s, a.height * s);
    c.setTransform(1, 0, 0, 1, 0, 0);
  }

  function skeleton(c, mouse, frame) {
    const points = new Map();
    for (const [part, k] of mouse.track) {
      const point = Slices.point(k, frame);
      if (point) points.set(part, { ...point, ...pixels(project(point)) });
    }
    const color = colors.mice[mouse.index];
    c.strokeStyle = c.fillStyle = color;
    const body = mouse.outline.map((part) => points.get(part)).filter(Boolean);
    if (body.length > 2) {
      c.globalAlpha = 0.16;
      c.beginPath();
      body.forEach((p, i) => (i ? c.lineTo(p.px, p.py) : c.moveTo(p.px, p.py)));
      c.fill();
      c.globalAlpha = 1;
    }
    c.lineWidth = 2;
    c.lineCap = "round";
    for (const [a, b] of mouse.edges) {
      const p = points.get(a), q = points.get(b);
      if (!p || !q) continue;
      c.setLineDash(p.imputed || q.imputed ? [2, 4] : []);
      c.beginPath();
      c.moveTo(p.px, p.py);
      c.lineTo(q.px, q.py);
      c.stroke();
    }
    c.setLineDash([]);
    for (const [part, p] of points) {
      const r = part === "nose" || part === "head" ? 4 : 3;
      c.beginPath();
      c.arc(p.px, p.py, p.imputed ? r + 0.5 : r, 0, 2 * Math.PI);
      if (p.imputed) { c.fillStyle = colors.floor; c.fill(); c.fillStyle = color; c.lineWidth = 1.5; c.stroke(); }
      else c.fill();
    }
    const anchor = points.get(mouse.centre) || [...points.values()][0];
    if (anchor) label(c, String(mouse.id), { px: anchor.px, py: Math.min(...[...points.values()].map((p) => p.py)) }, color);
    return { id: mouse.id, points: Object.fromEntries([...points].map(([part, p]) => [part, p])) };
  }
  const pixels = (p) => ({ px: p.x, py: p.y });

  function label(c, text, p, color) {
    c.font = `650 12px ${getComputedStyle(document.body).fontFamily}`;
    c.textAlign = "center";
    c.lineWidth = 3.5;
    c.strokeStyle = colors.floor;
    c.strokeText(text, p.px, p.py - 9);
    c.fillStyle = color;
    c.fillText(text, p.px, p.py - 9);
    c.textAlign = "start";
  }

  // --- pointer -------------------------------------------------------------------------------------------
  function listen() {
    const redraw = () => { if (shown) draw(shown.frame, shown.asked); };
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = canvas.getBoundingClientRect();
      const k = Math.max(1, Math.min(20, view.k * Math.exp(-event.deltaY / 400)));
      const dx = event.clientX - box.left - size.width / 2, dy = event.clientY - box.top - (size.height - FOOT) / 2;
      const f = k / view.k;
      view = k === 1 ? { k: 1, x: 0, y: 0 } : { k, x: dx - (dx - view.x) * f, y: dy - (dy - view.y) * f };
      redraw();
    }, { passive: false });
    canvas.addEventListener("dblclick", () => { view = { k: 1, x: 0, y: 0 }; redraw(); });
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (view.k === 1) return;
      from = { x: event.clientX - view.x, y: event.clientY - view.y };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointerup", () => { from = null; });
    canvas.addEventListener("pointermove", (event) => {
      if (from) { view = { ...view, x: event.clientX - from.x, y: event.clientY - from.y }; Ui.hideTip(); redraw(); return; }
      const box = canvas.getBoundingClientRect();
      const point = nearest(event.clientX - box.left, event.clientY - box.top);
      if (point) Ui.showTip(point, event.clientX, event.clientY);
      else Ui.hideTip();
    });
    canvas.addEventListener("pointerleave", Ui.hideTip);
  }

  function nearest(x, y) {
    let best = null, near = 10;
    last.mice.forEach((mouse, m) => {
      for (const [part, p] of Object.entries(mouse.points)) {
        const away = Math.hypot(p.px - x, p.py - y);
        if (away < near) { near = away; best = { mouse, m, part, p }; }
      }
    });
    if (!best) return null;
    const speed = Slices.speed(best.m, last.frame);
    return { title: `${page.animal}${best.mouse.id} · ${best.part}`, lines: [
      ["x", `${best.p.x.toFixed(2)} ${page.unit}`], ["y", `${best.p.y.toFixed(2)} ${page.unit}`],
      ["point", best.p.imputed ? "filled by curation" : "measured", colors.mice[best.m]],
      ...(speed === null ? [] : [[`speed of the ${page.animal}`, `${speed.toFixed(1)} cm/s`]]),
    ] };
  }

  /** What was drawn last: {frame, mice: [{id, points: {part: {x, y, imputed, px, py}}}]}. */
  const drawn = () => last;

  return { open, measure, draw, drawn, useTheme, colorOf };
})();
