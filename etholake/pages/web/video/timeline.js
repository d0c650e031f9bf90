// Time: overview strip, axis, ethogram raster (annotated above predicted) and speed, one scale and one cursor for all.
"use strict";
const Timeline = (() => {
  const { $ } = Ui;
  const ROW = 22, HEAD = 20, BAR = 8, FINE = 2700; // px; frames up to which speed and paths are drawn frame by frame
  const SHORTEST = 10; // frames of the closest zoom
  let page, events, rows, act, left = 120, width = 600, colors = {};
  let view = { from: 0, to: 1 };
  let cursors = [], faded = new Set();
  let cursor = 0, due = 0;

  /** `actions`: {seek(frame), jump(event), moved()}. */
  function open(content, videoEvents, actions) {
    [page, events, act] = [content, videoEvents, actions];
    view = { from: 0, to: page.frames };
    rows = layout();
    for (const id of ["overview", "axis", "raster", "speed"]) {
      const line = Ui.el("div", { class: "cursor", "data-cursor": id });
      $(`${id}-panel`).append(line);
      cursors.push({ id, line });
    }
    $("raster").setAttribute("aria-label", `Ethogram: ${rows.filter((r) => r.action).length} rows of agent, target and action, annotated above predicted. The list of events has the same in words.`);
    listen();
  }

  /** Rows from top to bottom: a heading per (agent, target), then its actions. */
  function layout() {
    const rows = [], byKey = new Map();
    const sorted = [...events].sort((a, b) => a.agent - b.agent || a.target - b.target || (a.action < b.action ? -1 : a.action > b.action ? 1 : 0));
    let pair = null, top = 2;
    for (const e of sorted) {
      if (pair !== e.pair) { rows.push({ title: e.pair, top }); pair = e.pair; top += HEAD; }
      const key = `${e.pair} ${e.action}`;
      if (!byKey.has(key)) {
        byKey.set(key, { action: e.action, pair, top, annotation: [], prediction: [] });
        rows.push(byKey.get(key));
        top += ROW;
      }
      byKey.get(key)[e.source].push(e);
    }
    for (const row of byKey.values()) for (const side of ["annotation", "prediction"]) row[side].sort((a, b) => a.start_frame - b.start_frame);
    rows.height = top + 6;
    return rows;
  }

  // --- scale ---------------------------------------------------------------------------------------------
  const at = (frame) => left + ((frame - view.from) / (view.to - view.from)) * (width - left);
  const frameAt = (x) => view.from + ((x - left) / (width - left)) * (view.to - view.from);
  const whole = (frame) => Math.max(0, Math.min(page.frames - 1, Math.floor(frame)));

  function show(from, to) {
    const length = Math.max(SHORTEST, Math.min(page.frames, to - from));
    const begin = Math.max(0, Math.min(page.frames - length, from));
    view = { from: begin, to: begin + length };
    if (!due) due = requestAnimationFrame(() => { due = 0; draw(); act.moved(); }); // many wheel steps, one drawing
  }
  function zoom(factor, around = cursor + 0.5) {
    const pin = around >= view.from && around <= view.to ? around : (view.from + view.to) / 2;
    show(pin - (pin - view.from) * factor, pin + (view.to - pin) * factor);
  }
  const pan = (share) => show(view.from + share * (view.to - view.from), view.to + share * (view.to - view.from));
  const all = () => show(0, page.frames);

  /** Make an event visible: move to it, and closer if it would be a speck. */
  function reveal(event) {
    const length = event.stop_frame - event.start_frame;
    const seen = (length / (view.to - view.from)) * (width - left);
    if (seen < 12) fit(event);
    else if (event.start_frame < view.from || event.stop_frame > view.to) {
      const middle = (event.start_frame + event.stop_frame) / 2, half = (view.to - view.from) / 2;
      show(middle - half, middle + half);
    }
  }
  function fit(event) {
    const length = Math.max(event.stop_frame - event.start_frame, page.fps);
    const middle = (event.start_frame + event.stop_frame) / 2;
    show(middle - 4 * length, middle + 4 * length);
  }

  // --- drawing -------------------------------------------------------------------------------------------
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  function useTheme() {
    colors = { mice: page.mice.map((_, m) => Arena.colorOf(m)) };
    for (const name of ["fg", "muted", "line", "grid", "accent", "annotation", "prediction", "wrong", "bg"]) colors[name] = style(`--${name}`);
  }

  function sheet(id, height) {
    const canvas = $(id), ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = `${height}px`;
    }
    const c = canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, height);
    c.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    return c;
  }

  function resize() {
    width = $("axis-panel").clientWidth;
    const c = $("axis").getContext("2d");
    c.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const widest = Math.max(50, ...rows.map((r) => (r.action ? c.measureText(r.action).width + 12 : 0)));
    left = Math.min(Math.ceil(widest) + 10, Math.round(width * 0.32));
  }

  function draw() {
    resize();
    const ticks = timeTicks();
    overview();
    axis(ticks);
    raster(ticks);
    speed(ticks);
    place(cursor);
    const [a, b] = [view.from / page.fps, view.to / page.fps];
    const decimals = b - a < 60 ? 2 : 0;
    $("window").textContent = `${Clock.text(a, decimals)} – ${Clock.text(b, decimals)}`;
    $("axis").dataset.from = view.from;
    $("axis").dataset.to = view.to;
  }

  function timeTicks() {
    const span = (view.to - view.from) / page.fps, room = Math.max(2, (width - left) / 90);
    const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400];
    const step = steps.find((s) => span / s <= room) || 28800;
    const ticks = [];
    for (let t = Math.ceil(view.from / page.fps / step - 1e-9) * step; t <= view.to / page.fps + 1e-9; t += step) ticks.push(t);
    return ticks.map((t) => ({ x: at(t * page.fps), text: Clock.text(t, step >= 1 ? 0 : step >= 0.1 ? 1 : 2) }));
  }

  function grid(c, ticks, height) {
    c.strokeStyle = colors.grid;
    c.lineWidth = 1;
    c.beginPath();
    for (const t of ticks) { c.moveTo(Math.round(t.x) + 0.5, 0); c.lineTo(Math.round(t.x) + 0.5, height); }
    c.stroke();
  }

  function axis(ticks) {
    const c = sheet("axis", 20);
    c.fillStyle = colors.muted;
    for (const t of ticks) {
      const w = c.measureText(t.text).width;
      c.fillText(t.text, Math.max(left, Math.min(width - w, t.x - w / 2)), 14);
    }
  }

  const box = (e) => { const x = at(e.start_frame); return { x, w: Math.max(1.5, at(e.stop_frame) - x) }; };

  function raster(ticks) {
    const c = sheet("raster", Math.max(60, rows.height));
    grid(c, ticks, rows.height);
    if (!rows.length) { c.fillStyle = colors.muted; c.fillText("No events: neither annotated nor predicted.", left + 8, 34); }
    for (const row of rows) {
      c.fillStyle = row.title ? colors.fg : colors.muted;
      if (row.title) {
        c.font = c.font.replace(/^/, "600 ");
        c.fillText(row.title, 0, row.top + 14);
        c.font = c.font.replace(/^600 /, "");
        continue;
      }
      c.fillText(cut(c, row.action, left - 16), 8, row.top + 13);
      c.fillStyle = colors.line;
      c.fillRect(left, row.top + ROW - 1, width - left, 0.5);
      c.save();
      c.beginPath();
      c.rect(left, 0, width - left, rows.height);
      c.clip();
      for (const [side, y] of [["annotation", row.top + 1], ["prediction", row.top + 2 + BAR]]) {
        for (const e of row[side]) {
          if (e.stop_frame < view.from) continue;
          if (e.start_frame > view.to) break;
          const { x, w } = box(e);
          c.globalAlpha = faded.has(e) ? 0.22 : 1;
          c.fillStyle = colors[side];
          c.fillRect(x, y, w, BAR);
          if (e.verdict === "missed" || e.verdict === "false") { c.fillStyle = colors.wrong; c.fillRect(x, row.top + 3 + 2 * BAR, w, 2); }
          if (e.selected) { c.globalAlpha = 1; c.strokeStyle = colors.fg; c.lineWidth = 1.5; c.strokeRect(x, y - 0.5, w, BAR + 1); }
        }
      }
      c.restore();
    }
  }

  function cut(c, text, room) {
    let shown = text;
    while (shown.length > 2 && c.measureText(shown).width > room) shown = shown.slice(0, -2) + "…";
    return shown;
  }

  function overview() {
    const height = 40, c = sheet("overview", height), wide = width - left;
    const x = (frame) => left + (frame / page.frames) * wide;
    c.fillStyle = colors.bg;
    c.fillRect(left, 0, wide, height);
    c.fillStyle = colors.muted;
    c.fillText("Video", 0, 24);
    for (const e of events) {
      c.fillStyle = colors[e.source];
      c.globalAlpha = faded.has(e) ? 0.2 : 0.8;
      c.fillRect(x(e.start_frame), e.source === "annotation" ? 4 : 21, Math.max(1, x(e.stop_frame) - x(e.start_frame)), 15);
    }
    c.globalAlpha = 0.14;
    c.fillStyle = colors.accent;
    c.fillRect(x(view.from), 0, x(view.to) - x(view.from), height);
    c.globalAlpha = 1;
    c.strokeStyle = colors.accent;
    c.lineWidth = 1.5;
    c.strokeRect(x(view.from) + 0.75, 0.75, Math.max(3, x(view.to) - x(view.from) - 1.5), height - 1.5);
  }

  // --- speed ---------------------------------------------------------------------------------------------
  const exact = () => view.to - view.from <= FINE && Slices.want(view.from, view.to - 1);

  function series() {
    const fine = exact();
    const step = fine ? 1 : page.fps;
    const list = page.mice.map((mouse, m) => {
      const points = [];
      const first = Math.max(0, Math.floor(view.from / step) - 1), end = Math.ceil(view.to / step);
      for (let i = first; i <= end; i++) {
        const value = fine ? Slices.speed(m, Math.min(i, page.frames - 1)) : mouse.seconds.speed[i];
        points.push([fine ? i + 0.5 : (i + 0.5) * step, value === null || value === undefined ? null : fine ? value : value / 100]);
      }
      return points;
    });
    return { fine, list };
  }

  function speed(ticks) {
    const height = 104, c = sheet("speed", height), bottom = height - 4;
    grid(c, ticks, height);
    const { fine, list } = series();
    const values = list.flat().map((p) => p[1]).filter((v) => v !== null).sort((a, b) => a - b);
    $("speed-what").textContent = page.waiting && !fine ? page.waiting : page.unit !== "cm" ? "is not known: the video has no scale" : `of the ${[...new Set(page.mice.map((m) => m.centre))].join(" or ")}, cm/s${fine ? ", frame by frame" : ", mean of each second"}`;
    if (!values.length) { c.fillStyle = colors.muted; c.fillText("No speed to show here.", left + 8, 50); return; }
    const high = Math.max(1, values[Math.floor((values.length - 1) * 0.995)] * 1.1);
    const y = (v) => bottom - Math.min(1.04, v / high) * (bottom - 6);
    const raw = high / 2.2, power = 10 ** Math.floor(Math.log10(raw)), step = power * [1, 2, 5, 10].find((m) => m * power >= raw);
    c.fillStyle = colors.muted;
    c.strokeStyle = colors.grid;
    c.beginPath();
    for (let v = 0; v <= high; v += step) {
      const text = String(Number(v.toPrecision(6)));
      c.fillText(text, left - 8 - c.measureText(text).width, Math.max(10, y(v) + 4));
      c.moveTo(left, y(v));
      c.lineTo(width, y(v));
    }
    c.stroke();
    c.save();
    c.beginPath();
    c.rect(left, 0, width - left, height);
    c.clip();
    list.forEach((points, m) => {
      c.strokeStyle = colors.mice[m];
      c.lineWidth = 1.4;
      c.beginPath();
      let pen = false;
      for (const [frame, value] of points) {
        if (value === null) { pen = false; continue; }
        if (pen) c.lineTo(at(frame), y(value));
        else c.moveTo(at(frame), y(value));
        pen = true;
      }
      c.stroke();
    });
    c.restore();
  }

  // --- the cursor ----------------------------------------------------------------------------------------
  /** Put the cursor on a frame; with `follow`, the shown time turns a page when the cursor leaves it. */
  function place(frame, follow) {
    cursor = frame;
    if (follow && (frame < view.from || frame >= view.to)) {
      const length = view.to - view.from, begin = frame < view.from ? frame - 0.9 * length : frame - 0.1 * length;
      show(begin, begin + length);
      return;
    }
    for (const { id, line } of cursors) {
      const x = id === "overview" ? left + ((frame + 0.5) / page.frames) * (width - left) : at(frame + 0.5);
      line.hidden = x < left || x > width;
      line.style.transform = `translateX(${x - 0.75}px)`;
    }
  }

  // --- pointer -------------------------------------------------------------------------------------------
  function hit(x, y) {
    for (const row of rows) {
      if (!row.action || y < row.top || y >= row.top + ROW) continue;
      const side = y < row.top + 1.5 + BAR ? "annotation" : "prediction";
      let best = null, near = 4;
      for (const e of row[side]) {
        const { x: a, w } = box(e);
        const away = x < a ? a - x : x > a + w ? x - a - w : 0;
        if (away < near) { near = away; best = e; }
      }
      return best;
    }
    return null;
  }

  function listen() {
    const spot = (event) => { const b = event.currentTarget.getBoundingClientRect(); return { x: event.clientX - b.left, y: event.clientY - b.top }; };
    for (const id of ["raster", "speed", "axis"]) {
      const canvas = $(id);
      let grip = null;
      canvas.addEventListener("wheel", (event) => {
        const { x } = spot(event);
        if (x < left) return; // over the names the page scrolls
        event.preventDefault();
        if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan((event.deltaX || event.deltaY) / 1000);
        else zoom(Math.exp(event.deltaY / 400), frameAt(x));
      }, { passive: false });
      canvas.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        grip = { x: event.clientX, from: view.from, to: view.to, moved: false };
        canvas.setPointerCapture(event.pointerId);
      });
      canvas.addEventListener("pointermove", (event) => {
        const { x, y } = spot(event);
        if (grip && (grip.moved || Math.abs(event.clientX - grip.x) > 4)) {
          grip.moved = true;
          Ui.hideTip();
          const shift = ((grip.x - event.clientX) / (width - left)) * (grip.to - grip.from);
          show(grip.from + shift, grip.to + shift);
          return;
        }
        tip(id, x, y, event);
      });
      canvas.addEventListener("pointerup", (event) => {
        const { x, y } = spot(event);
        if (grip && !grip.moved && x >= left) {
          const hitEvent = id === "raster" && hit(x, y);
          if (hitEvent) act.jump(hitEvent);
          else act.seek(whole(frameAt(x)));
        }
        grip = null;
      });
      canvas.addEventListener("pointercancel", () => { grip = null; });
      canvas.addEventListener("pointerleave", Ui.hideTip);
    }
    const strip = $("overview");
    let grip = false;
    const centre = (event) => {
      const frame = ((spot(event).x - left) / (width - left)) * page.frames, half = (view.to - view.from) / 2;
      show(frame - half, frame + half);
      return frame;
    };
    strip.addEventListener("pointerdown", (event) => { grip = true; strip.setPointerCapture(event.pointerId); act.seek(whole(centre(event))); });
    strip.addEventListener("pointermove", (event) => {
      if (grip) act.seek(whole(centre(event)));
      else tip("overview", spot(event).x, 0, event);
    });
    strip.addEventListener("pointerup", () => { grip = false; });
    strip.addEventListener("pointerleave", Ui.hideTip);
  }

  function tip(id, x, y, event) {
    if (x < left) { Ui.hideTip(); return; }
    const hitEvent = id === "raster" && hit(x, y);
    if (hitEvent) { Ui.showTip(describe(hitEvent), event.clientX, event.clientY); return; }
    const frame = whole(id === "overview" ? ((x - left) / (width - left)) * page.frames : frameAt(x));
    const lines = [["frame", String(frame)]];
    if (id === "speed") {
      const fine = exact();
      page.mice.forEach((mouse, m) => {
        const v = fine ? Slices.speed(m, frame) : mouse.seconds.speed[Math.floor(frame / page.fps)];
        lines.push([mouse.name, v === null || v === undefined ? "–" : `${(fine ? v : v / 100).toFixed(1)} cm/s`, colors.mice[m]]);
      });
    }
    Ui.showTip({ title: Clock.text(frame / page.fps, 2), lines }, event.clientX, event.clientY);
  }

  const NAMES = { matched: "found on both sides", missed: "missed by the run", false: "false alarm", unjudged: "not judged" };
  function describe(e) {
    return { title: `${e.agentName} ${e.action} ${e.targetName}`, lines: [
      ["source", e.source === "annotation" ? "annotated" : "predicted", colors[e.source]],
      ["from", `${Clock.text(e.start_sec, 2)} (frame ${e.start_frame})`],
      ["length", `${(e.stop_sec - e.start_sec).toFixed(2)} s (${e.stop_frame - e.start_frame} frames)`],
      ...(e.confidence === null ? [] : [["confidence", e.confidence.toFixed(2)]]),
      ...(e.iou === null ? [] : [["best IoU", e.iou.toFixed(2)]]),
      ["verdict", NAMES[e.verdict]],
      ...(e.issue ? [["flag", e.issue]] : []),
    ] };
  }

  const fade = (set) => { faded = set; };
  const range = () => ({ ...view, exact: exact() });

  return { open, draw, show, zoom, pan, all, fit, reveal, place, fade, range, useTheme, at, rows: () => rows };
})();
