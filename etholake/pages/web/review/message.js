// The line of a page that says what went wrong.
const { $ } = Ui;

export const fail = (error) => { $("message").textContent = error.message; $("message").hidden = false; };
export const clear = () => { $("message").hidden = true; };

/** A listener that runs `run`, and shows its error. */
export const guard = (run) => async (event) => { event.preventDefault(); clear(); try { await run(event); } catch (error) { fail(error); } };
