// Small pictures of the library: asked for when a row is seen; that of a film is taken here, from its middle.
import { address, ask, tell } from "./api.js";

const { el } = Ui;
const WIDTH = 120, HEIGHT = 72; // as etholake/pages/review/thumbnail.py draws
const PATIENCE_MS = 15_000, TRIES = 20;
let turn = Promise.resolve(); // one film after another

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (isIntersecting) { seen.unobserve(target); fill(target); }
}, { rootMargin: "120px" });

/** A picture that fills itself when it is seen. */
export function picture(v) {
  const image = el("img", { class: "thumb", width: WIDTH, height: HEIGHT, alt: "" });
  image.video = { split: v.split, lab: v.lab_id, video: v.video_id };
  seen.observe(image);
  return image;
}

function show(image, source, text) {
  image.src = source;
  image.alt = image.title = text;
}

async function fill(image) {
  try {
    const answer = await ask("thumbnail", image.video);
    show(image, answer.jpeg ?? `data:image/svg+xml,${encodeURIComponent(answer.svg)}`, answer.text);
    if (!answer.film) return;
    turn = turn.then(() => ofFilm(image).catch((error) => { image.alt = image.title = `${answer.text}; the film cannot be shown: ${error.message}`; }));
  } catch (error) {
    image.alt = image.title = `no picture: ${error.message}`;
  }
}

const told = (film, name) => new Promise((done, fail) => {
  const late = setTimeout(() => fail(new Error("it takes too long to read")), PATIENCE_MS);
  film.addEventListener(name, () => { clearTimeout(late); done(); }, { once: true });
  film.addEventListener("error", () => { clearTimeout(late); fail(new Error(film.error?.message || "unknown format")); }, { once: true });
});

/** A browser may say "seeked" before it has the frame: until then it draws a black one, which must not be kept. */
const isBlack = (context) => context.getImageData(0, 0, WIDTH, HEIGHT).data.every((value, i) => i % 4 === 3 || value < 8);

async function ofFilm(image) {
  const film = el("video", { muted: true, preload: "metadata" });
  try {
    film.src = address("film", image.video);
    await told(film, "loadedmetadata");
    film.currentTime = Number.isFinite(film.duration) ? film.duration / 2 : 0;
    await told(film, "seeked");
    const canvas = el("canvas", { width: WIDTH, height: HEIGHT }), context = canvas.getContext("2d", { willReadFrequently: true }), share = Math.min(WIDTH / film.videoWidth, HEIGHT / film.videoHeight);
    const [width, height] = [film.videoWidth * share, film.videoHeight * share];
    const draw = () => context.drawImage(film, (WIDTH - width) / 2, (HEIGHT - height) / 2, width, height);
    for (let tries = 0; draw(), isBlack(context); tries++) {
      if (tries === TRIES) throw new Error("its middle is black");
      await new Promise((done) => setTimeout(done, 50));
    }
    const jpeg = canvas.toDataURL("image/jpeg", 0.8);
    show(image, jpeg, "film");
    await tell("thumbnail", { ...image.video, picture: jpeg });
  } finally {
    film.removeAttribute("src");
    film.load(); // lets go of the file
  }
}
