// Times as text.
"use strict";
/** Seconds as text, h:mm:ss or m:ss with so many decimals. */
const Clock = {
  text(seconds, decimals = 0) {
    const units = 10 ** decimals, total = Math.round(seconds * units) / units;
    const s = total % 60, m = Math.floor(total / 60) % 60, h = Math.floor(total / 3600);
    const tail = s.toFixed(decimals).padStart(decimals ? 3 + decimals : 2, "0");
    return h ? `${h}:${String(m).padStart(2, "0")}:${tail}` : `${m}:${tail}`;
  },
};
