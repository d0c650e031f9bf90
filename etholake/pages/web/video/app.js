// The video page: the cursor, playing, keys, and what hangs on them.
"use strict";
(() => {
  const { $, el } = Ui;
  const RATES = [0.25, 0.5, 1, 2, 4, 8];
  const page = JSON.parse(document.getElementById("page").textContent);
  const events = Events.read(page);
  const byStart = [...events].sort((a, b) => a.start_frame - b.start_frame);
  let frame = 0, playing = null, rate = 1;
  const counted = { frames: 0 }; // frames drawn while playing, for whoever measures

  // --- the cursor ----------------------------------------------------------------------------------------
  const AHEAD = 8; // seconds of video that are loaded ahead while playing
  function show(wanted, follow = true) {
    frame = Math.max(0, Math.min(page.frames - 1, wanted));
    Timeline.place(frame, follow);
    paint();
  }

  /** What stands on the frame: skeletons, clock, current events. */
  function paint() {
    const ready = Slices.want(frame, frame);
    if (playing) Slices.want(frame, frame + Math.ceil(AHEAD * rate * page.fps));
    const why = Slices.whyFailed(frame);
    $("wait").hidden = ready && !why;
    $("wait").textContent = why ? `These poses could not be read: ${why}` : "Loading poses …";
    if (page.slices === 0) { $("wait").hidden = false; $("wait").textContent = "No poses: the lake has no tracks of this video."; }
    if ($("path").value === "tail") Slices.want(Math.max(0, frame - 3 * page.fps), frame);
    if (ready) Arena.draw(frame, { path: $("path").value, near: $("near").checked, ...Timeline.range() });
    $("clock").textContent = `${Clock.text(frame / page.fps, 2)} · frame ${frame}`;
    if (document.activeElement !== $("frame")) $("frame").value = frame;
    now();
    return ready;
  }

  let shownKey = null;
  function now() {
    const active = [];
    for (const e of byStart) {
      if (e.start_frame > frame) break;
      if (e.stop_frame > frame) active.push(e);
    }
    const key = active.map((e) => `${e.source}${e.pair}${e.action}`).join();
    if (key === shownKey) return;
    shownKey = key;
    $("now").replaceChildren(...(active.length ? active : [null]).map((e) => e
      ? el("li", { class: e.source, title: `${e.source}: ${e.agentName} ${e.action} ${e.targetName}` }, `${e.agentName} ${e.action} ${e.targetName}`)
      : el("li", { class: "none" }, "no event at this frame")));
  }

  // --- playing -------------------------------------------------------------------------------------------
  function play() {
    if (playing) return;
    again();
    if (frame >= page.frames - 1) show(0);
    playing = { from: frame, at: performance.now() };
    $("play").textContent = "Pause";
    $("play").setAttribute("aria-pressed", "true");
    requestAnimationFrame(tick);
  }
  function pause() {
    if (!playing) return;
    playing = null;
    $("play").textContent = "Play";
    $("play").setAttribute("aria-pressed", "false");
    writeAddress();
  }
  const again = () => Slices.retry(); // what could not be read is asked for again when somebody acts
  const toggle = () => (playing ? pause() : play());

  function tick(time) {
    if (!playing) return;
    let next = playing.from + Math.max(0, Math.floor(((time - playing.at) / 1000) * page.fps * rate));
    const event = Events.selected();
    if ($("loop").checked && event && next >= event.stop_frame) {
      next = event.start_frame;
      playing = { from: next, at: time };
    }
    if (next !== frame) {
      show(next);
      counted.frames += 1;
    }
    if (!Slices.want(frame, frame)) playing = { from: frame, at: time }; // wait for the poses: no frame is left out
    if (frame >= page.frames - 1) { pause(); return; }
    requestAnimationFrame(tick);
  }

  function setRate(value) {
    rate = value;
    $("rate").value = String(value);
    if (playing) playing = { from: frame, at: performance.now() };
  }

  function step(by) {
    pause();
    again();
    show(frame + by);
    writeAddress();
    $("spoken").textContent = `Frame ${frame}`;
  }

  /** Go to an event and play it. */
  function jump(event) {
    pause();
    Events.select(event);
    Timeline.reveal(event);
    Timeline.draw();
    show(event.start_frame);
    $("spoken").textContent = `${event.source} ${event.agentName} ${event.action} ${event.targetName}, ${event.duration_sec.toFixed(1)} seconds`;
    play();
  }
  function jumpBy(by) {
    const event = Events.neighbour(by, frame);
    if (event) jump(event);
  }
  function seek(wanted) {
    again();
    show(wanted, false);
    if (playing) playing = { from: frame, at: performance.now() };
    else writeAddress();
  }

  // --- address: #frame=123, or #time=4.1 in seconds -----------------------------------------------------
  const writeAddress = () => history.replaceState(null, "", `#frame=${frame}`);
  function readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    const wanted = given.has("time") ? Math.round(Number(given.get("time")) * page.fps) : Number(given.get("frame"));
    return Number.isInteger(wanted) ? wanted : 0;
  }

  // --- keys and buttons ----------------------------------------------------------------------------------
  const fitSelected = () => { if (Events.selected()) Timeline.fit(Events.selected()); };
  const faster = (by) => setRate(RATES[Math.max(0, Math.min(RATES.length - 1, RATES.indexOf(rate) + by))]);
  const KEYS = {
    " ": toggle, p: () => jumpBy(-1), n: () => jumpBy(1), "+": () => Timeline.zoom(0.5), "=": () => Timeline.zoom(0.5),
    "-": () => Timeline.zoom(2), "−": () => Timeline.zoom(2), 0: Timeline.all, e: fitSelected, a: () => Timeline.pan(-0.5), d: () => Timeline.pan(0.5),
    "<": () => faster(-1), ">": () => faster(1), r: () => $("loop").click(), c: () => $("near").click(), Escape: Ui.hideTip,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const on = event.target.closest("input, select, button, summary, a");
    const types = on && (on.matches("select") || (on.matches("input") && on.type !== "checkbox"));
    if (types) return; // the control's own keys
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      step((event.key === "ArrowLeft" ? -1 : 1) * (event.shiftKey ? Math.round(page.fps) : 1));
      return;
    }
    if (event.key === " " && on) return; // space presses the button that has the focus
    const run = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (run) { event.preventDefault(); run(); }
  });

  function buttons() {
    const press = { play: toggle, back: () => step(-1), forward: () => step(1), previous: () => jumpBy(-1), next: () => jumpBy(1),
      "zoom-in": () => Timeline.zoom(0.5), "zoom-out": () => Timeline.zoom(2), "zoom-all": Timeline.all, "zoom-event": fitSelected };
    for (const [id, run] of Object.entries(press)) $(id).addEventListener("click", run);
    $("rate").append(...RATES.map((r) => el("option", { value: r }, `${r}×`)));
    $("rate").value = "1";
    $("rate").addEventListener("change", () => setRate(Number($("rate").value)));
    for (const id of ["path", "near"]) $(id).addEventListener("change", paint);
    $("frame").max = page.frames - 1;
    $("frame").addEventListener("change", () => { pause(); show(Math.round(Number($("frame").value) || 0)); writeAddress(); });
  }

  // --- words ---------------------------------------------------------------------------------------------
  function words() {
    const tracked = new Set(page.tracks.map(([, part]) => part)).size;
    document.title = `Etholake · video ${page.name || page.video}`;
    $("title").textContent = `Video ${page.name ? `${page.name} (${page.video})` : page.video}`;
    $("about").textContent = [
      `Lab ${page.lab}`, page.fpsAssumed ? `frame rate unknown, ${page.fps} frames/s assumed` : `${Number(page.fps.toFixed(2))} frames/s`,
      `${Clock.text(page.frames / page.fps)} long`, `${page.mice.length} ${page.animal === "mouse" ? "mice" : `animals (${page.animal})`}, ${tracked} parts`, page.method || "",
      page.run ? `predicted by run ${page.run}` : "not predicted", page.annotated ? "" : "not annotated",
    ].filter(Boolean).join(" · ");
    $("mice").replaceChildren(...page.mice.map((mouse, m) => el("li", { title: mouse.about }, el("i", { style: `background:var(--mouse${(m % 4) + 1})` }), el("b", {}, mouse.name), mouse.about)),
      el("li", {}, el("i", { class: "ring" }), "filled by curation"));
    $("sources").replaceChildren(
      el("li", {}, el("i", { style: "background:var(--annotation)" }), "annotated"), el("li", {}, el("i", { style: "background:var(--prediction)" }), "predicted"),
      el("li", {}, el("i", { class: "line", style: "background:var(--wrong)" }), "disagreement"));
    $("definitions").textContent = `An event is matched if an event of the other source with the same agent, target and action shares at least ${page.iou} of the frames that the two take together (IoU). `
      + "Else it is missed (annotated) or a false alarm (predicted). It is not judged where the action was not looked for in this pair, or where there is no annotation or no prediction to compare with. "
      + `Frames are those of the video; an event runs up to, but not including, its last frame. Coordinates are in ${page.unit}${page.unit === "cm" ? " from the centre of the arena" : ""}, y down.`;
    $("facts").textContent = page.facts;
    $("status").textContent = page.live ? "Live: poses are asked for when they are shown." : page.read;
  }

  function redraw() { Timeline.draw(); paint(); }
  let soon = 0;
  const redrawSoon = () => { if (!soon) soon = requestAnimationFrame(() => { soon = 0; redraw(); }); };

  // --- the means by second: whole tracks, so the live page asks for them when it is there ------------------
  async function seconds() {
    page.waiting = "is being read";
    try {
      const answer = await fetch("api/seconds");
      if (!answer.ok) throw new Error(await answer.text());
      const columns = await answer.json();
      for (const mouse of page.mice) Object.assign(mouse.seconds, columns[mouse.id]); // the arena has them, too
      page.waiting = "";
      Arena.measure();
    } catch (error) {
      page.waiting = `could not be read: ${error.message}`;
    }
    document.body.dataset.seconds = "1";
    redrawSoon();
  }

  // --- start ---------------------------------------------------------------------------------------------
  words();
  buttons();
  Arena.open(page);
  Slices.open(page, redrawSoon);
  Timeline.open(page, events, { seek, jump, moved: () => { Events.windowMoved(); paint(); } });
  Ui.theme(() => { Arena.useTheme(); Timeline.useTheme(); redraw(); });
  Events.open(page, events, { jump, changed: (faded) => { Timeline.fade(faded); Timeline.draw(); } });
  let wide = 0;
  new ResizeObserver(() => {
    const room = $("time-card").clientWidth;
    if (room !== wide) { wide = room; redrawSoon(); }
  }).observe($("time-card"));
  if (page.live) seconds();
  addEventListener("hashchange", () => { pause(); show(readAddress()); });
  show(readAddress());
  window.videoPage = { counted, stats: Slices.stats, drawn: Arena.drawn };
  document.body.dataset.ready = page.video;
})();
