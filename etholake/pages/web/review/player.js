// The cursor and playing: the film's own clock where there is a film, else the page's.
import * as Cameras from "./cameras.js";

const { $, el } = Ui;
const RATES = [0.1, 0.25, 0.5, 1, 2, 4, 8];
let video = null, frame = 0, rate = 1, playing = null, shown = () => {};
const film = $("film");

export function open(content, show) {
  [video, frame, playing, shown] = [content, 0, null, show];
  $("rate").replaceChildren(...RATES.map((r) => el("option", { value: r }, `${r}×`)));
  $("rate").value = "1";
  $("frame").max = video.frames - 1;
  film.src = content.filmAddress ?? "";
  if (!content.filmAddress) film.removeAttribute("src");
  Cameras.open(video);
}

const filmFps = () => video.film?.fps || video.fps; // the film's own clock
const pace = () => (filmOrNull() ? filmFps() : video.fps) * rate; // frames that pass in a second
export const at = () => frame;
export const isPlaying = () => playing !== null;
const filmOrNull = () => (video.filmAddress && !film.error ? film : null);
/** Whether the film has the frame of the cursor: it may be shorter than the tracks. */
const isFilmed = () => filmOrNull() && !((frame + 0.5) / filmFps() >= film.duration); // NaN until it is known
/** The film, where it has the frame of the cursor. */
export const pictureOrNull = () => (isFilmed() ? film : null);

export function seek(wanted) {
  frame = Math.max(0, Math.min(video.frames - 1, Math.round(wanted)));
  if (playing) playing = { from: frame, at: performance.now() };
  if (filmOrNull()) film.currentTime = (frame + 0.5) / filmFps(); // the middle of the frame: never the one before
  Cameras.seek(frame);
  shown(frame);
}
export function step(by) { pause(); seek(frame + by); }

export function toggle() { if (playing) pause(); else play(); }
function play() {
  if (frame >= video.frames - 1) seek(0);
  playing = { from: frame, at: performance.now() };
  if (isFilmed()) { film.playbackRate = rate; film.play().catch(() => {}); } // past its end it would begin anew
  Cameras.play(pace());
  button();
  requestAnimationFrame(tick);
}
export function pause() {
  if (!playing) return;
  playing = null;
  film.pause();
  if (filmOrNull()) film.currentTime = (frame + 0.5) / filmFps();
  Cameras.pause();
  Cameras.seek(frame);
  button();
}
function button() {
  $("play").textContent = playing ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", String(playing !== null));
}

function tick(time) {
  if (!playing) return;
  const clock = filmOrNull() && !film.paused && !film.ended;
  const next = clock ? Math.max(playing.from, Math.floor(film.currentTime * filmFps())) : playing.from + Math.max(0, Math.floor(((time - playing.at) / 1000) * pace()));
  if (clock) playing = { from: next, at: time }; // where the page's clock goes on when the film has ended
  if (next !== frame) { frame = Math.min(video.frames - 1, next); shown(frame); Cameras.follow(frame); }
  if (!Slices.want(frame, frame) && !clock) playing = { from: frame, at: time }; // wait for the poses: no frame is left out
  if (frame >= video.frames - 1) { pause(); return; }
  requestAnimationFrame(tick);
}

export function setRate(value) {
  rate = value;
  film.playbackRate = value;
  if (playing) Cameras.play(pace());
  $("rate").value = String(value);
  if (playing) playing = { from: frame, at: performance.now() };
}
export const faster = (by) => setRate(RATES[Math.max(0, Math.min(RATES.length - 1, RATES.indexOf(rate) + by))]);

export function listen() {
  $("play").addEventListener("click", toggle);
  $("back").addEventListener("click", () => step(-1));
  $("forward").addEventListener("click", () => step(1));
  $("rate").addEventListener("change", () => setRate(Number($("rate").value)));
  $("frame").addEventListener("change", () => step(Number($("frame").value) - frame));
  film.addEventListener("seeked", () => shown(frame));
  film.addEventListener("loadeddata", () => shown(frame));
  film.requestVideoFrameCallback?.(presented);
}

// A browser may say "seeked" before it presents the frame: until then a canvas gets the one before.
function presented() {
  if (!playing) shown(frame);
  film.requestVideoFrameCallback(presented);
}
