import { Picture } from "./picture.js";
import { ask, follow, token } from "./stream.js";
import { trace } from "./trace.js";
import { age, amount, element, short, table, words } from "./tables.js";

const CERTIFICATES = 10 * 60 * 1000;
const by = (id) => document.getElementById(id);
const seen = { status: null, topology: null, links: [], traffic: [], certificates: new Map() };
const rates = { links: new Map(), traffic: new Map() };
const fresh = { links: false, traffic: false };
let stop = () => {};
let chosen = null;

const picture = new Picture(by("picture"), (id) => {
  chosen = id;
  by("trace").disabled = !id;
  showChosen();
  showNodes();
});

// How fast numbers grow, each by a name of its own.
function measure(kept, rows, name, numbers) {
  const now = performance.now();
  const fresh = new Map(rows.map((row) => {
    const [key, counts] = [name(row), numbers(row)];
    const then = kept.get(key);
    const seconds = then ? (now - then.at) / 1000 : 0;
    const speed = then && seconds > 0.2 ? counts.map((count, i) => Math.max(0, (count - then.counts[i]) / seconds)) : then?.speed;
    return [key, { at: now, counts, speed }];
  }));
  kept.clear();
  fresh.forEach((value, key) => kept.set(key, value));
}

// The last event of each look: what was not told in it has not grown since.
function showStatus(status) {
  seen.status = status;
  if (!fresh.traffic) showTraffic(seen.traffic);
  if (!fresh.links) showLinks(seen.links);
  fresh.traffic = fresh.links = false;
  picture.own = status.node_id;
  picture.ask();
  document.title = `${status.name} · Nuncio`;
  by("name").textContent = status.name || short(status.node_id);
  by("agency").textContent = status.agency;
  const speed = [...rates.traffic.values()].map((rate) => rate.speed).filter(Boolean);
  const sum = (i) => (speed.length ? speed.reduce((all, one) => all + one[i], 0) : undefined);
  const facts = [
    ["State", status.ready ? "ready" : "not ready", status.ready ? "good" : "bad"],
    ["Up for", age(status.uptime_s)], ["Links", status.peers], ["Nodes", status.nodes], ["Topics", status.topics],
    ["Messages a second", amount(sum(0))], ["Bytes a second", amount(sum(1))], ["Version", status.version],
    ["Node ID", `${status.node_id.slice(0, 8)}…`],
  ];
  by("facts").replaceChildren(...facts.map(([name, value, kind]) =>
    element("div", {}, element("dt", {}, name), element("dd", { class: kind ?? "" }, value))));
  const warnings = by("warnings");
  if (warnings.textContent !== status.warnings.join("")) {
    warnings.replaceChildren(...status.warnings.map((warning) => element("li", {}, warning)));
  }
}

function showTopology(topology) {
  seen.topology = topology;
  seen.degrees = topology.nodes.map(() => [0, 0]);
  [topology.links, topology.claims].forEach((pairs, kind) => pairs.flat().forEach((index) => (seen.degrees[index][kind] += 1)));
  picture.show(topology, seen.status?.node_id ?? "");
  const dead = topology.nodes.filter((node) => !node.reachable).length;
  by("picture").setAttribute("aria-label", `${topology.nodes.length} nodes of ${picture.circles.length} agencies, ` +
    `${topology.links.length} links, ${topology.claims.length} named by one end only, ${dead} nodes not reachable`);
  by("agencies").replaceChildren(...picture.circles.slice(0, 24).map(({ agency, hue, count: members }) => {
    const key = element("i", { class: "key" });
    key.style.background = `hsl(${hue} 50% 50%)`;
    return element("li", {}, key, `${agency || "unknown"}: ${members}`);
  }));
  showNodes();
  showChosen();
}

function daysOf(id) {
  return seen.certificates.get(id)?.days_left;
}

function showChosen() {
  const { topology } = seen;
  const index = topology?.nodes.findIndex((node) => node.node_id === chosen) ?? -1;
  if (index < 0) return by("chosen").replaceChildren();
  const node = topology.nodes[index];
  const named = (pairs) => pairs.filter((pair) => pair.includes(index)).map((pair) => topology.nodes[pair[0] === index ? pair[1] : pair[0]])
    .slice(0, 40).map((one) => one.name || short(one.node_id)).join(", ");
  const lines = [
    `Agency: ${node.agency || "unknown"}`,
    node.reachable ? `${node.hops} ${node.hops === 1 ? "hop" : "hops"} away` : "not reachable",
    node.equivocates ? "expelled: it signed two statuses with one version" : "",
    `Links: ${named(topology.links) || "none"}`,
    named(topology.claims) ? `Named by one end only: ${named(topology.claims)}` : "",
    daysOf(chosen) === undefined ? "" : `Certificate: ${daysOf(chosen)} days left`,
  ];
  const key = `${lines.join("\n")}${node.node_id}`;
  // What a screen reader has read is not read again.
  if (by("chosen").dataset.key === key && by("chosen").firstChild) return;
  by("chosen").dataset.key = key;
  by("chosen").replaceChildren(element("h3", {}, node.name || short(node.node_id)), ...lines.filter(Boolean).map((line) => element("p", {}, line)),
    element("p", { class: "id" }, node.node_id));
}

function showNodes() {
  if (!seen.topology) return;
  const wanted = by("filter").value.trim().toLowerCase();
  const rows = seen.topology.nodes.map((node, index) => ({ ...node, index }))
    .filter((node) => !wanted || [node.name, node.agency, node.node_id].some((text) => text.toLowerCase().includes(wanted)))
    .sort((a, b) => (a.agency + a.name < b.agency + b.name ? -1 : 1));
  const choose = (node) => {
    const button = element("button", { class: "row", type: "button" }, node.name || short(node.node_id));
    button.dataset.key = node.node_id;
    button.addEventListener("click", () => picture.choose(node.node_id));
    return button;
  };
  table(by("nodes"), "Nodes", [
    { title: "Node", of: choose },
    { title: "Agency", of: (node) => node.agency },
    { title: "State", of: (node) => (node.equivocates ? "expelled" : node.reachable ? "reachable" : "not reachable") },
    { title: "Hops", number: true, of: (node) => node.hops },
    { title: "Links", number: true, of: (node) => seen.degrees[node.index][0] },
    { title: "One-sided", number: true, of: (node) => seen.degrees[node.index][1] },
    { title: "Certificate, days left", number: true, of: (node) => daysOf(node.node_id) },
  ], rows, wanted ? "no node is called so" : "no nodes are known",
  (node) => (node.node_id === chosen ? "chosen" : node.reachable && !node.equivocates ? "" : "bad"));
}

function showLinks(links) {
  seen.links = links;
  fresh.links = true;
  measure(rates.links, links, (link) => `${link.node_id}`, (link) => [link.bytes_received ?? 0, link.bytes_sent ?? 0]);
  const speed = (link, i) => (link.state === "linked" ? amount(rates.links.get(`${link.node_id}`)?.speed?.[i]) : "–");
  table(by("links"), "Links of this node", [
    { title: "Node", of: (link) => link.name ?? (link.node_id ? short(link.node_id) : undefined) },
    { title: "Agency", of: (link) => link.agency },
    { title: "Address", of: (link) => link.address },
    { title: "State", of: (link) => link.state },
    { title: "Round trip, ms", number: true, of: (link) => link.rtt_ms?.toFixed(2) },
    { title: "In, bytes/s", number: true, of: (link) => speed(link, 0) },
    { title: "Out, bytes/s", number: true, of: (link) => speed(link, 1) },
    { title: "For", number: true, of: (link) => (link.connected_for_s === null ? undefined : age(link.connected_for_s)) },
    { title: "Why not", long: true, of: (link) => link.last_error ?? "" },
  ], links, "no links, and no peers are configured", (link) => (link.state === "linked" ? "" : "bad"));
}

function showTraffic(traffic) {
  seen.traffic = traffic;
  fresh.traffic = true;
  const name = (row) => `${row.kind} ${row.peer}`;
  measure(rates.traffic, traffic, name,
    (row) => [row.messages_received + row.messages_sent, row.bytes_received + row.bytes_sent]);
  table(by("traffic"), "Traffic", [
    { title: "Kind", of: (row) => words(row.kind) },
    { title: "Peers", of: (row) => words(row.peer) },
    { title: "Messages/s", number: true, of: (row) => amount(rates.traffic.get(name(row))?.speed?.[0]) },
    { title: "Bytes/s", number: true, of: (row) => amount(rates.traffic.get(name(row))?.speed?.[1]) },
    { title: "Messages", number: true, of: (row) => amount(row.messages_received + row.messages_sent) },
    { title: "Bytes", number: true, of: (row) => amount(row.bytes_received + row.bytes_sent) },
  ], traffic, "nothing went over a link yet");
}

function showRefusals({ counts, bans, last }) {
  table(by("bans"), "Bans", [
    { title: "Node", of: (ban) => ban.name ?? short(ban.node_id) },
    { title: "Agency", of: (ban) => ban.agency },
    { title: "Why", long: true, of: (ban) => ban.reason },
  ], bans, "nobody is banned", () => "bad");
  table(by("refused"), "Last refusals", [
    { title: "When", of: (one) => new Date(one.time).toLocaleTimeString() },
    { title: "What", of: (one) => words(one.kind) },
    { title: "Who", of: (one) => (/^[0-9a-f]{128}$/.test(one.who) ? short(one.who) : one.who) },
    { title: "Why", long: true, of: (one) => one.cause },
  ], last, "nobody was refused");
  table(by("counts"), "Refusals by cause", [
    { title: "What", of: (one) => words(one.what) },
    { title: "Cause", of: (one) => words(one.cause) },
    { title: "Count", number: true, of: (one) => one.count },
  ], counts, "nothing was refused");
}

const show = {
  status: showStatus,
  topology: showTopology,
  links: showLinks,
  traffic: showTraffic,
  refusals: showRefusals,
  topics: (topics) => table(by("topics"), "Topics", [
    { title: "Topic", of: (one) => one.topic },
    { title: "Nodes", number: true, of: (one) => one.nodes },
    { title: "Subscribers", number: true, of: (one) => one.subscribers },
  ], topics, "nobody subscribes a topic"),
  lifetimes: (endings) => table(by("lifetimes"), "Certificates", [
    { title: "Days left", number: true, of: (one) => one.days_left },
    { title: "Of", of: (one) => words(one.kind) },
    { title: "Subject", long: true, of: (one) => one.subject },
  ], endings, "no certificate is known", (one) => (one.is_close ? "bad" : "")),
};

// Those of the other nodes are long to read: seldom.
async function readCertificates() {
  try {
    const response = await ask("/v1/certificates?chain=0");
    if (response.ok) seen.certificates = new Map((await response.json()).map((one) => [one.node_id, one]));
  } catch {
    return;
  }
  showNodes();
}

function state(text, kind) {
  by("state").textContent = text;
  by("state").className = `pill ${kind}`;
}

function begin() {
  stop();
  if (!token.get()) return askForToken("");
  by("ask").hidden = true;
  state("connecting", "");
  const timer = setInterval(readCertificates, CERTIFICATES);
  const unfollow = follow("/v1/watch", {
    live() {
      by("all").hidden = false;
      by("forget").hidden = !token.get();
      state("live", "good");
      readCertificates();
    },
    lost: (why) => state(`no connection: ${why}`, "bad"),
    denied: askForToken,
    event: (name, data) => show[name]?.(data),
  });
  stop = () => {
    clearInterval(timer);
    unfollow();
  };
}

function askForToken(why) {
  stop();
  token.forget();
  by("all").hidden = by("forget").hidden = true;
  by("ask").hidden = false;
  by("why-not").textContent = why;
  state("a token is needed", "");
  by("token").focus();
}

by("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(by("token").value.trim());
  by("token").value = "";
  begin();
});
by("forget").addEventListener("click", () => askForToken(""));
by("filter").addEventListener("input", showNodes);
by("trace").addEventListener("click", async () => {
  const say = (text, kind) => {
    by("way-state").textContent = text;
    by("way-state").className = kind || "faint";
  };
  picture.showWay(await trace(chosen, by("way"), say));
});
begin();
