// Requests to the page's own server. An error is a sentence of the server; a conflict names the other's change.
export class ConflictError extends Error {
  constructor(message, change) { super(message); this.change = change; }
}

const query = (values) => new URLSearchParams(Object.entries(values).filter(([, v]) => v !== "" && v != null));

async function answer(response) {
  if (response.ok) return response.json();
  const text = await response.text();
  if (response.status === 409) throw new ConflictError(text, Number(response.headers.get("X-Change")));
  throw new Error(text || `The server answered ${response.status}.`);
}

const reached = (request) => request.catch(() => { throw new Error("The server does not answer: is the command that printed this address still running? What you did before is saved."); });

/** GET api/<name>. */
export const ask = async (name, values = {}) => answer(await reached(fetch(`api/${name}?${query(values)}`)));

/** POST api/<name>; JSON in, JSON out. */
export const tell = async (name, values = {}) => answer(await reached(fetch(`api/${name}`, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values),
})));

/** The address of something that the browser itself loads. */
export const address = (name, values) => `api/${name}?${query(values)}`;
