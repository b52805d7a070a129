// The way of a message: an empty one that the chosen node answers itself, and who reports to have had it. The node sends it for whoever
// may do more than look.

import { ask } from "./stream.js";
import { short, table } from "./tables.js";

const TIMEOUT = 5000;
const micro = (value) => (value === null || value === undefined ? undefined : `${value} µs`);

function fate(step) {
  if (!step.reported) return "no report";
  return step.to ? `${step.fate} to ${short(step.to)}` : step.fate;
}

// Gives back the IDs of the nodes on the way, none where nothing was sent.
export async function trace(id, place, say) {
  say("a message is on its way", "");
  try {
    const response = await ask(`/v1/trace/${id}?probe=true&timeout_ms=${TIMEOUT}`, undefined, "POST");
    const told = await response.json();
    if (!response.ok) {
      say(told.message, "bad");
      return [];
    }
    say(told.failure ? told.failure.message : `back in ${(told.rtt_us / 1000).toFixed(1)} ms over ${told.hops} links`, told.failure ? "bad" : "good");
    table(place, "Way of a message", [
      { title: "Node", of: (step) => step.name || short(step.node_id) },
      { title: "Agency", of: (step) => step.agency },
      { title: "Leg", number: true, of: (step) => micro(step.leg_us) },
      { title: "Queued", number: true, of: (step) => micro(step.queued_us) },
      { title: "Left", number: true, of: (step) => micro(step.left_us) },
      { title: "Fate", long: true, of: fate },
    ], told.way, "it crossed no link", (step) => (step.reported ? "" : "bad"));
    return told.way.map((step) => step.node_id);
  } catch (error) {
    say(error.message, "bad");
    return [];
  }
}
