// The network on a canvas: a disc for each agency, its nodes in it. Where a node stands depends on the agencies and names only,
// so it stands still while links come and go; drawn when something changed, and not otherwise.

const SPACE = 34;
const RADIUS = 9;
const GOLDEN = Math.PI * (3 - Math.sqrt(5));

// The place of each node, and a circle for each agency.
function arrange(nodes) {
  const groups = new Map();
  nodes.forEach((node, index) => {
    if (!groups.has(node.agency)) groups.set(node.agency, []);
    groups.get(node.agency).push(index);
  });
  const order = [...groups.keys()].sort();
  const radius = (agency) => {
    const count = groups.get(agency).length;
    return count === 1 ? SPACE * 0.7 : count <= 8 ? Math.max(SPACE, (count * SPACE * 1.3) / (2 * Math.PI)) : SPACE * Math.sqrt(count) * 0.72;
  };
  const gap = SPACE * 1.2;
  const outer = order.map((agency) => radius(agency) + SPACE * 0.7);
  const around = outer.reduce((sum, r) => sum + 2 * r + gap, 0);
  let turned = Math.PI / 2;
  const angles = outer.map((r) => {
    const share = ((2 * r + gap) / around) * 2 * Math.PI;
    turned += share;
    return turned - share / 2;
  });
  // So far out that no disc touches the next one.
  const ring = order.length === 1 ? 0 : Math.max(...order.map((_, i) => {
    const j = (i + 1) % order.length;
    return (outer[i] + outer[j] + gap) / (2 * Math.abs(Math.sin((angles[i] - angles[j]) / 2)));
  }));
  const places = new Array(nodes.length);
  const circles = order.map((agency, number) => {
    const r = radius(agency);
    const [x, y] = [ring * Math.cos(angles[number]), ring * Math.sin(angles[number])];
    const members = groups.get(agency).sort((a, b) => (nodes[a].name + nodes[a].node_id < nodes[b].name + nodes[b].node_id ? -1 : 1));
    members.forEach((index, place) => {
      const few = members.length <= 8;
      const far = members.length === 1 ? 0 : few ? r : SPACE * 0.72 * Math.sqrt(place + 0.5);
      const at = few ? (2 * Math.PI * place) / members.length - Math.PI / 2 : place * GOLDEN;
      places[index] = [x + far * Math.cos(at), y + far * Math.sin(at)];
    });
    return { agency, x, y, r: outer[number], hue: (number * 137 + 215) % 360, count: members.length };
  });
  return { places, circles };
}

export class Picture {
  constructor(canvas, onChoose) {
    Object.assign(this, { canvas, onChoose, nodes: [], links: [], claims: [], places: [], circles: [], chosen: null, own: "", way: [] });
    this.fit();
    new ResizeObserver(() => this.ask()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.ask());
    this.listen();
  }

  // Everything in sight, as large as it can be.
  fit() {
    this.view = { zoom: 1, x: 0, y: 0 };
    this.ask();
  }

  show({ nodes, links, claims }, own) {
    const before = this.nodes;
    const same = before.length === nodes.length && nodes.every((node, i) => node.node_id === before[i].node_id && node.agency === before[i].agency);
    Object.assign(this, { nodes, links, claims, own, layer: null });
    if (!same) Object.assign(this, arrange(nodes));
    this.lines = this.path(links);
    this.oneSided = this.path(claims);
    this.ask();
  }

  path(pairs) {
    const path = new Path2D();
    for (const [from, to] of pairs) {
      path.moveTo(...this.places[from]);
      path.lineTo(...this.places[to]);
    }
    return path;
  }

  // The nodes that a message went over.
  showWay(ids) {
    this.way = ids;
    this.ask();
  }

  choose(id) {
    this.chosen = id;
    this.onChoose(id);
    this.ask();
  }

  // At most one drawing for each frame of the screen.
  ask() {
    this.asked ??= requestAnimationFrame(() => {
      this.asked = undefined;
      this.draw();
    });
  }

  bounds() {
    const edges = this.circles.map(({ x, y, r }) => [x - r, y - r - 16, x + r, y + r]);
    return [0, 1, 2, 3].map((side) => Math[side < 2 ? "min" : "max"](...edges.map((edge) => edge[side])));
  }

  // From the world to the canvas: scale, and where its origin is.
  frame() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const [left, top, right, bottom] = this.bounds();
    const whole = Math.min(width / (right - left || 1), height / (bottom - top || 1), 2.2) * 0.96;
    const scale = whole * this.view.zoom;
    const x = width / 2 - ((left + right) / 2) * scale + this.view.x;
    const y = height / 2 - ((top + bottom) / 2) * scale + this.view.y;
    return { scale, x, y, width, height };
  }

  draw() {
    const { canvas } = this;
    const sharp = window.devicePixelRatio || 1;
    const { scale, x, y, width, height } = this.frame();
    if (width === 0) return;
    canvas.width = Math.round(width * sharp);
    canvas.height = Math.round(height * sharp);
    if (this.nodes.length === 0) return;
    const paint = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const layer = this.ground({ scale, x, y, sharp }, colour, dark);
    paint.drawImage(layer.canvas, (x - layer.x) * sharp, (y - layer.y) * sharp);
    paint.setTransform(scale * sharp, 0, 0, scale * sharp, x * sharp, y * sharp);
    this.drawChosen(paint, scale, colour);
    this.drawWay(paint, scale, colour);
    this.drawNodes(paint, scale, colour, dark);
  }

  // Agencies and all links, kept as they were drawn: a thousand nodes have thousands. While it is dragged the same is moved.
  ground({ scale, x, y, sharp }, colour, dark) {
    const { width, height } = this.canvas;
    const old = this.layer;
    const fits = old && old.scale === scale && old.dark === dark && old.canvas.width === width && old.canvas.height === height;
    if (fits && (this.dragging || (old.x === x && old.y === y))) return old;
    const canvas = old?.canvas ?? document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const paint = canvas.getContext("2d");
    paint.setTransform(scale * sharp, 0, 0, scale * sharp, x * sharp, y * sharp);
    this.drawGroups(paint, dark);
    this.drawLines(paint, scale, colour);
    this.drawNames(paint, scale, colour);
    this.layer = { canvas, scale, x, y, dark };
    return this.layer;
  }

  drawGroups(paint, dark) {
    for (const { x, y, r, hue } of this.circles) {
      paint.beginPath();
      paint.arc(x, y, r, 0, 2 * Math.PI);
      paint.fillStyle = `hsl(${hue} 45% ${dark ? 60 : 45}% / .1)`;
      paint.fill();
    }
  }

  drawNames(paint, scale, colour) {
    paint.textAlign = "center";
    paint.lineJoin = "round";
    paint.font = `${13 / scale}px system-ui, sans-serif`;
    paint.lineWidth = 4 / scale;
    for (const { agency, x, y, r } of this.circles) {
      paint.strokeStyle = colour("card");
      paint.strokeText(agency.slice(0, 32), x, y - r - 4 / scale);
      paint.fillStyle = colour("faint");
      paint.fillText(agency.slice(0, 32), x, y - r - 4 / scale);
    }
  }

  drawLines(paint, scale, colour) {
    const crowd = Math.min(1, 400 / (this.links.length + 1));
    paint.lineWidth = (0.6 + crowd) / scale;
    paint.globalAlpha = 0.25 + 0.65 * crowd;
    paint.strokeStyle = colour("link");
    paint.stroke(this.lines);
    paint.globalAlpha = 1;
    paint.setLineDash([6 / scale, 4 / scale]);
    paint.lineWidth = 1.6 / scale;
    paint.strokeStyle = colour("claim");
    paint.stroke(this.oneSided);
    paint.setLineDash([]);
  }

  drawChosen(paint, scale, colour) {
    const at = this.nodes.findIndex((node) => node.node_id === this.chosen);
    if (at >= 0) {
      paint.lineWidth = 2.4 / scale;
      paint.strokeStyle = colour("accent");
      paint.stroke(this.path(this.links.filter((pair) => pair.includes(at))));
    }
  }

  drawWay(paint, scale, colour) {
    const at = this.way.map((id) => this.nodes.findIndex((node) => node.node_id === id)).filter((index) => index >= 0);
    paint.lineWidth = 4 / scale;
    paint.strokeStyle = colour("good");
    paint.stroke(this.path(at.slice(1).map((index, place) => [at[place], index])));
  }

  drawNodes(paint, scale, colour, dark) {
    const hues = new Map(this.circles.map(({ agency, hue }) => [agency, hue]));
    const named = this.nodes.length <= 60 && scale > 0.7;
    const numbered = scale * RADIUS > 6;
    this.nodes.forEach((node, index) => {
      const [x, y] = this.places[index];
      paint.beginPath();
      paint.arc(x, y, RADIUS, 0, 2 * Math.PI);
      if (node.reachable && !node.equivocates) {
        paint.fillStyle = `hsl(${hues.get(node.agency)} ${dark ? "45% 62%" : "55% 40%"})`;
        paint.fill();
      } else {
        paint.fillStyle = colour("card");
        paint.fill();
        paint.setLineDash([3, 2]);
        paint.lineWidth = 2;
        paint.strokeStyle = colour("bad");
        paint.stroke();
        paint.setLineDash([]);
      }
      const mark = node.node_id === this.chosen ? "accent" : node.node_id === this.own ? "text" : "";
      if (mark) {
        paint.beginPath();
        paint.arc(x, y, RADIUS + 3, 0, 2 * Math.PI);
        paint.lineWidth = 2.4;
        paint.strokeStyle = colour(mark);
        paint.stroke();
      }
      paint.textAlign = "center";
      if (numbered) {
        paint.font = "bold 9px system-ui, sans-serif";
        paint.fillStyle = node.reachable ? (dark ? "#10141b" : "#fff") : colour("bad");
        paint.fillText(node.reachable ? (node.hops ?? "") : "×", x, y + 3.2);
      }
      if (named) {
        paint.font = "8.5px system-ui, sans-serif";
        paint.fillStyle = colour("text");
        paint.fillText((node.name || node.node_id).slice(0, 14), x, y + RADIUS + 11);
      }
    });
  }

  // The node at a place of the canvas, if one is near.
  at(clientX, clientY) {
    const edge = this.canvas.getBoundingClientRect();
    const { scale, x, y } = this.frame();
    const [px, py] = [clientX - edge.left, clientY - edge.top];
    let [nearest, least] = [null, Math.max(14, RADIUS * scale + 4)];
    this.places.forEach(([wx, wy], index) => {
      const far = Math.hypot(wx * scale + x - px, wy * scale + y - py);
      if (far < least) [nearest, least] = [index, far];
    });
    return nearest;
  }

  zoom(by) {
    const zoom = Math.min(12, Math.max(0.5, this.view.zoom * by));
    const ratio = zoom / this.view.zoom;
    this.view = { zoom, x: this.view.x * ratio, y: this.view.y * ratio };
    this.ask();
  }

  // The nearest node in a direction from the chosen one.
  step(dx, dy) {
    const from = this.nodes.findIndex((node) => node.node_id === this.chosen);
    if (from < 0) return this.choose(this.own || this.nodes[0]?.node_id || null);
    const [x, y] = this.places[from];
    let [best, least] = [null, Infinity];
    this.places.forEach(([wx, wy], index) => {
      const along = (wx - x) * dx + (wy - y) * dy;
      const aside = Math.abs((wx - x) * dy) + Math.abs((wy - y) * dx);
      if (along > 1 && along + 2 * aside < least) [best, least] = [index, along + 2 * aside];
    });
    if (best !== null) this.choose(this.nodes[best].node_id);
  }

  listen() {
    const { canvas } = this;
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      drag = { x: event.clientX, y: event.clientY, far: 0 };
      this.dragging = true;
    });
    const drop = () => {
      drag = null;
      this.dragging = false;
      this.ask();
    };
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) return;
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      drag = { x: event.clientX, y: event.clientY, far: drag.far + Math.hypot(dx, dy) };
      this.view.x += dx;
      this.view.y += dy;
      this.ask();
    });
    canvas.addEventListener("pointerup", (event) => {
      const index = drag && drag.far < 6 ? this.at(event.clientX, event.clientY) : undefined;
      if (index !== undefined) this.choose(index === null ? null : this.nodes[index].node_id);
      drop();
    });
    canvas.addEventListener("pointercancel", drop);
    canvas.addEventListener("wheel", (event) => {
      // A page is scrolled over the picture; with Ctrl, or two fingers, it is zoomed.
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
    }, { passive: false });
    const keys = {
      ArrowLeft: () => this.step(-1, 0), ArrowRight: () => this.step(1, 0), ArrowUp: () => this.step(0, -1),
      ArrowDown: () => this.step(0, 1), "+": () => this.zoom(1.25), "=": () => this.zoom(1.25), "-": () => this.zoom(0.8),
      0: () => this.fit(), Escape: () => this.choose(null),
    };
    canvas.addEventListener("keydown", (event) => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      keys[event.key]();
    });
  }
}
