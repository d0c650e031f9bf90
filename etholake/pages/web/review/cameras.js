// Films of further cameras beside the first picture, in step with the cursor. No skeleton is drawn over them: the
// coordinates of the tracks count the pixels of the first film.
const { $, el } = Ui;
const APART_S = 0.1; // that a film may be off while it plays, before it is moved
const SLOWEST = 0.0625, FASTEST = 16; // rates at which browsers play; at others they throw an error
let cameras = []; // {film, fps: frames of the tracks that pass in a second of it}

export function open(content) {
  cameras = Object.entries(content.cameras).map(([name, { fps, note, address }]) => {
    const film = el("video", { muted: true, playsInline: true, preload: "auto", src: address });
    film.setAttribute("aria-label", `Camera ${name}`);
    const caption = el("figcaption", {}, el("b", {}, name), note && ` ${note}`);
    film.addEventListener("error", () => caption.replaceChildren(el("b", {}, name), " the browser cannot show this film"));
    $("cameras").append(el("figure", {}, film, caption));
    return { film, fps: fps || content.fps };
  });
  $("cameras").hidden = cameras.length === 0;
}

/** Show a frame of the tracks: the middle of the frame, never the one before. */
export function seek(frame) {
  for (const { film, fps } of cameras) film.currentTime = (frame + 0.5) / fps;
}

/** Play on from where the films are; `pace`: frames of the tracks that pass in a second. */
export function play(pace) {
  for (const { film, fps } of cameras) {
    film.playbackRate = Math.min(FASTEST, Math.max(SLOWEST, pace / fps)); // `follow` moves what then falls behind
    film.play().catch(() => {}); // a film that cannot be shown says so by its error
  }
}
export function pause() { for (const { film } of cameras) film.pause(); }

/** Move the films that have fallen out of step with a frame while playing. */
export function follow(frame) {
  for (const { film, fps } of cameras) {
    const wanted = (frame + 0.5) / fps;
    if (!film.seeking && wanted < film.duration && Math.abs(film.currentTime - wanted) > APART_S * film.playbackRate) film.currentTime = wanted;
  }
}
