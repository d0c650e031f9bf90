// Poses in slices: fetched from the page or its server, inflated and decoded when a frame of theirs is wanted.
// The layout of a slice is described in etholake/pages/video/slices.py.
"use strict";
const Slices = (() => {
  const KEEP = 30; // decoded slices in memory: a quarter of an hour at 30 frames/s
  const ABSENT = 0, IMPUTED = 2, NO_SPEED = 0xffff;
  const decoded = new Map(); // slice -> its arrays, the one used last at the end; null where nothing is tracked
  const failed = new Map(); // slice -> why
  const loading = new Map(); // slice -> promise
  const stats = { decoded: 0 };
  let page = null, heard = () => {};

  /** Use this page; `onLoad` is called whenever a slice has come, or has failed. */
  function open(content, onLoad) { page = content; heard = onLoad; }

  async function packed(number) {
    if (!page.live) {
      const block = document.getElementById(`slice-${number}`);
      return block && Uint8Array.from(atob(block.textContent), (c) => c.charCodeAt(0));
    }
    const answer = await fetch(page.slice ? page.slice(number) : `api/slice/${number}`);
    if (!answer.ok) throw new Error(await answer.text());
    return new Uint8Array(await answer.arrayBuffer());
  }

  function decode(buffer) {
    const bytes = new Uint8Array(buffer), F = page.sliceFrames, K = page.tracks.length, M = page.mice.length;
    let at = 4;
    const block = (rows, kind) => {
      const size = rows * F, values = new kind(size);
      for (let i = 0; i < size; i++) values[i] = bytes[at + i] | (bytes[at + size + i] << 8);
      at += 2 * size;
      return values;
    };
    const sums = (values) => {
      for (let k = 0; k < K; k++) for (let i = k * F + 1; i < (k + 1) * F; i++) values[i] += values[i - 1];
      return values;
    };
    const x = sums(block(K, Int16Array)), y = sums(block(K, Int16Array)), speed = block(M, Uint16Array);
    return { step: new DataView(buffer).getFloat32(0, true), x, y, speed, state: bytes.slice(at, at + K * F) };
  }

  async function fetchOne(number) {
    try {
      const bytes = await packed(number);
      if (!bytes) {
        decoded.set(number, null);
      } else {
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
        decoded.set(number, decode(await new Response(stream).arrayBuffer()));
        stats.decoded += 1;
      }
      for (const old of decoded.keys()) if (decoded.size > KEEP && old !== number) decoded.delete(old);
    } catch (error) {
      failed.set(number, error.message);
    }
    loading.delete(number);
    heard(number);
  }

  /** Have the slices of frames from..to (inclusive); true if they are all there now. */
  function want(from, to) {
    let all = true;
    const last = Math.min(page.slices - 1, Math.floor(to / page.sliceFrames));
    for (let n = Math.max(0, Math.floor(from / page.sliceFrames)); n <= last; n++) {
      if (decoded.has(n)) {
        const kept = decoded.get(n);
        decoded.delete(n);
        decoded.set(n, kept); // used last
      } else if (!failed.has(n)) {
        all = false;
        if (!loading.has(n)) loading.set(n, fetchOne(n));
      }
    }
    return all;
  }

  const whyFailed = (frame) => failed.get(Math.floor(frame / page.sliceFrames));
  const retry = () => failed.clear();

  /** The point of a track at a frame: {x, y, imputed}, null where it is absent or not loaded. */
  function point(track, frame) {
    const slice = decoded.get(Math.floor(frame / page.sliceFrames));
    if (!slice) return null;
    const i = track * page.sliceFrames + (frame % page.sliceFrames);
    if (slice.state[i] === ABSENT) return null;
    return { x: slice.x[i] * slice.step, y: slice.y[i] * slice.step, imputed: slice.state[i] === IMPUTED };
  }

  /** Speed of the m-th mouse in cm/s, null where it is unknown. */
  function speed(mouse, frame) {
    const slice = decoded.get(Math.floor(frame / page.sliceFrames));
    if (!slice) return null;
    const value = slice.speed[mouse * page.sliceFrames + (frame % page.sliceFrames)];
    return value === NO_SPEED ? null : value / 100;
  }

  return { open, want, point, speed, whyFailed, retry, stats, KEEP };
})();
