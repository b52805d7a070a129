#!/usr/bin/env node
// A client of the web door. Needs the package ws (Debian: node-ws).
//
// client.js answer HOST:PORT CERTS TOPIC REPLY    answers one request
// client.js ask    HOST:PORT CERTS TOPIC DATA     publishes to one subscriber and prints its answer
//
// CERTS is a directory with ca.crt, sdk.crt and sdk.key.
"use strict";

const fs = require("fs");
const WebSocket = require("ws");

const [what, node, certs, topic, text] = process.argv.slice(2);
if (text === undefined) {
  console.error("usage: client.js answer|ask HOST:PORT CERTS TOPIC TEXT");
  process.exit(64);
}

const file = (name) => fs.readFileSync(`${certs}/${name}`);
const socket = new WebSocket(`wss://${node}/v1/socket`, {
  ca: file("ca.crt"),
  cert: file("sdk.crt"),
  key: file("sdk.key"),
  // Certificates of nodes hold no host name; the chain is checked all the same.
  checkServerIdentity: () => undefined,
});
const say = (frame) => socket.send(JSON.stringify(frame));

socket.on("open", () =>
  what === "answer" ? say({ type: "subscribe", id: 1, topics: [topic] }) : say({ type: "publish", id: 1, topic, data: text })
);

socket.on("message", (frame) => {
  const said = JSON.parse(frame);
  if (said.type === "request") {
    console.log("asked:", said.data);
    say({ type: "respond", id: 2, request: said.request, data: text });
  } else if (said.code !== 0) {
    console.error(`${said.word}: ${said.message ?? said.data}`);
    process.exitCode = 1;
    socket.close();
  } else if (what === "answer" && said.id === 1) {
    console.log("subscribed");
  } else {
    if (what === "ask") console.log("answered:", said.data);
    socket.close();
  }
});

socket.on("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
