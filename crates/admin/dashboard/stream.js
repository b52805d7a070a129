// Server-sent events read by fetch, since EventSource sends no Authorization header. Reconnects; reads nothing while the page is
// hidden.

const LONGEST = 16 << 20;
const KEY = "nuncio-token";

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

export function ask(path, signal, method = "GET") {
  const shown = token.get();
  const headers = shown ? { Authorization: `Bearer ${shown}` } : {};
  return fetch(path, { method, headers, signal, cache: "no-store", credentials: "same-origin", redirect: "error" });
}

async function failure(response) {
  try {
    return (await response.json()).message;
  } catch {
    return `the node answered ${response.status}`;
  }
}

// Events of one answer until it ends.
async function read(response, handle) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    if (text.length > LONGEST) throw new Error("an event is too long");
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      if (field("data")) handle(field("event"), JSON.parse(field("data")));
    }
  }
}

// told: {event(name, data), live(), lost(why), denied(why)}. Returns what stops it.
export function follow(path, told) {
  let [stopped, controller, timer, pause] = [false, null, 0, 1000];
  const connect = async () => {
    if (stopped || document.hidden) return;
    const mine = new AbortController();
    controller = mine;
    let why = "the node ended it";
    try {
      const response = await ask(path, mine.signal);
      if (response.status === 401) {
        stopped = true;
        return told.denied(await failure(response));
      }
      if (!response.ok) throw new Error(await failure(response));
      told.live();
      pause = 1000;
      await read(response, told.event);
    } catch (error) {
      why = error.message;
    }
    if (stopped || controller !== mine) return;
    controller = null;
    told.lost(why);
    timer = setTimeout(connect, pause);
    pause = Math.min(pause * 2, 15000);
  };
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) {
      controller?.abort();
      controller = null;
    } else if (!controller) connect();
  };
  document.addEventListener("visibilitychange", look);
  connect();
  return () => {
    stopped = true;
    clearTimeout(timer);
    controller?.abort();
    document.removeEventListener("visibilitychange", look);
  };
}
