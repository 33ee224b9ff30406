"use strict";
// What reacts on the page: values under the pointer, series on and off, the sliders of the SLA, light and dark.
// Figures are computed by fastgen-tui; here they are shown, and requests are counted. Texts only ever become text nodes.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, attributes = {}, text = "") => {
    const element = tag.startsWith("svg:") ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== "") element.textContent = text;
    return element;
  };
  const say = (text) => { document.getElementById("said").textContent = text; };

  const short = (value) => {
    const size = Math.abs(value);
    const decimals = size >= 1000 || size === 0 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : size >= 0.1 ? 3 : 5;
    const text = value.toFixed(decimals);
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  };
  const told = (value, unit) => {
    if (unit !== "time") return unit ? `${short(value)} ${unit}` : short(value);
    const size = Math.abs(value);
    if (size >= 1 || size === 0) return `${short(value)} s`;
    return size >= 1e-3 ? `${short(value * 1e3)} ms` : `${short(value * 1e6)} µs`;
  };

  // Light, dark, or as the system has it.
  const theme = document.getElementById("theme");
  const themes = ["auto", "light", "dark"];
  const setTheme = (name) => {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    theme.lastElementChild.textContent = name;
  };
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const now = themes.indexOf(theme.lastElementChild.textContent);
    setTheme(themes[(now + 1) % themes.length]);
  });

  const numbers = (text) => text.split(" ").map(Number);
  // A chart: its data, and the one of its two pictures that is shown.
  class Chart {
    constructor(plot) {
      this.plot = plot;
      this.id = plot.dataset.figure;
      this.figure = data.figures[this.id];
      this.names = new Map(this.figure.x.names);
      this.hidden = new Set();
      this.spot = null;
      this.tip = make("div", { class: "tip", hidden: "" });
      plot.append(this.tip);
      const label = plot.getAttribute("aria-label");
      plot.setAttribute("role", "group");
      plot.setAttribute("aria-roledescription", "chart");
      plot.setAttribute("aria-label", `${label} Arrow keys go from point to point.`);
      plot.tabIndex = 0;
      plot.addEventListener("pointermove", (event) => this.point(event));
      plot.addEventListener("pointerdown", (event) => this.point(event));
      // A finger leaves with every tap; what it asked for stays until it taps elsewhere.
      plot.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") this.clear(); });
      plot.addEventListener("keydown", (event) => this.key(event));
      plot.addEventListener("blur", () => this.clear());
      this.legend();
    }

    // Every point of every series that is switched on.
    spots() {
      return this.figure.panels.flatMap((panel, p) => panel.series.flatMap((series, s) =>
        this.hidden.has(series.toggle) ? [] : series.points.map((point, i) => ({ panel, p, series, s, point, i }))));
    }

    picture() { return all("svg.chart", this.plot).find((svg) => svg.getClientRects().length > 0); }

    // From values to places in a picture.
    scale(svg, p) {
      const { frame, x, y } = svg.querySelectorAll("g.panel")[p].dataset;
      const [left, top, right, bottom] = numbers(frame);
      const [[x0, x1], [y0, y1]] = [numbers(x), numbers(y)];
      return {
        top, bottom,
        x: (value) => left + (right - left) * (value - x0) / (x1 - x0),
        y: (value) => bottom - (bottom - top) * (value - y0) / (y1 - y0),
      };
    }

    legend() {
      for (const key of all(`[data-legend="${this.id}"] [data-toggle]`)) {
        const button = make("button", { type: "button", class: "key", "aria-pressed": "true", "data-toggle": key.dataset.toggle });
        button.append(...key.childNodes);
        key.replaceWith(button);
        button.addEventListener("click", () => {
          const on = button.getAttribute("aria-pressed") === "false";
          button.setAttribute("aria-pressed", String(on));
          this.hidden[on ? "delete" : "add"](button.dataset.toggle);
          this.show();
        });
      }
    }

    show() {
      for (const svg of all("svg.chart", this.plot)) {
        this.figure.panels.forEach((panel, p) => {
          const drawn = svg.querySelectorAll("g.panel")[p];
          panel.series.forEach((series, s) => {
            const off = this.hidden.has(series.toggle);
            drawn.querySelector(`[data-series="${s}"]`).classList.toggle("off", off);
            all(`text.beside[data-of="${s}"]`, drawn).forEach((text) => text.classList.toggle("off", off));
          });
        });
      }
      this.clear();
    }

    point(event) {
      const svg = this.picture();
      const matrix = svg && svg.getScreenCTM();
      if (!matrix) return;
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
      const scales = this.figure.panels.map((_, p) => this.scale(svg, p));
      let best = null;
      for (const spot of this.spots()) {
        const scale = scales[spot.p];
        if (this.figure.panels.length > 1 && (at.y < scale.top - 12 || at.y > scale.bottom + 12)) continue;
        const dx = Math.abs(scale.x(spot.point[0]) - at.x);
        const dy = Math.abs(scale.y(spot.point[1]) - at.y);
        // Along a line the nearest moment counts; among points the nearest one.
        const distance = spot.panel.across ? dx * 1e3 + dy : Math.hypot(dx, dy);
        if (!best || distance < best.distance) best = { ...spot, distance };
      }
      if (best && (best.panel.across || best.distance < 48)) this.tell(best, false);
      else this.clear();
    }

    key(event) {
      const spots = this.spots();
      const now = spots.findIndex((s) => this.spot && s.p === this.spot.p && s.s === this.spot.s && s.i === this.spot.i);
      const other = (by) => {
        const lines = spots.filter((s) => s.i === 0);
        const line = lines.findIndex((s) => this.spot && s.p === this.spot.p && s.s === this.spot.s);
        const next = lines[(line + by + lines.length) % lines.length];
        const same = spots.filter((s) => s.p === next.p && s.s === next.s);
        return same[Math.min(this.spot ? this.spot.i : 0, same.length - 1)];
      };
      let next = null;
      if (!spots.length) return;
      if (event.key === "ArrowRight") next = spots[Math.min(now + 1, spots.length - 1)];
      else if (event.key === "ArrowLeft") next = spots[Math.max(now - 1, 0)];
      else if (event.key === "ArrowDown") next = other(1);
      else if (event.key === "ArrowUp") next = other(-1);
      else if (event.key === "Home") next = spots[0];
      else if (event.key === "End") next = spots[spots.length - 1];
      else if (event.key === "Escape") return this.clear();
      else return;
      event.preventDefault();
      this.tell(next, true);
    }

    // Shows a point's values: of lines, all series at that place.
    tell(spot, aloud) {
      this.clear();
      this.spot = spot;
      const svg = this.picture();
      const { x } = this.figure;
      const title = this.names.get(spot.point[0])
        ?? `${x.label ? `${x.label} ` : ""}${told(spot.point[0], x.unit)}`;
      const rows = spot.panel.across
        ? this.figure.panels.flatMap((panel, p) => panel.series.flatMap((series, s) => {
          if (this.hidden.has(series.toggle)) return [];
          const point = series.points.find((other) => other[0] === spot.point[0]);
          return point ? [{ panel, p, series, s, point }] : [];
        }))
        : [spot];
      this.tip.replaceChildren(make("b", {}, title));
      const many = this.figure.panels.length > 1;
      const lines = rows.map((row) => {
        const label = row.series.name === row.panel.label || !row.series.name ? row.panel.label
          : many || !row.panel.across ? `${row.series.name}, ${row.panel.label}` : row.series.name;
        return { row, label, value: told(row.point[1], row.panel.unit) };
      });
      const most = 14;
      const nearby = lines.length > most ? lines.filter(({ row }) => row.p === spot.p) : lines;
      for (const { row, label, value } of nearby.slice(0, most)) {
        const line = make("div", { class: row.series.look });
        line.append(make("i"), make("span", {}, label), make("span", {}, value));
        this.tip.append(line);
        if (row.point[2]) this.tip.append(make("div", {}, `${row.point[2]} ${this.figure.beside}`));
      }
      if (nearby.length > most) this.tip.append(make("div", {}, `and ${nearby.length - most} more`));
      for (const { row } of lines) {
        const scale = this.scale(svg, row.p);
        svg.append(make("svg:circle", { class: "ring", cx: scale.x(row.point[0]), cy: scale.y(row.point[1]), r: 5 }));
      }
      if (spot.panel.across) {
        this.figure.panels.forEach((_, p) => {
          const { x: across, top, bottom } = this.scale(svg, p);
          const at = across(spot.point[0]);
          svg.append(make("svg:line", { class: "cursor", x1: at, x2: at, y1: top, y2: bottom }));
        });
      }
      this.place(svg, spot);
      if (aloud) {
        const own = lines.find(({ row }) => row.p === spot.p && row.s === spot.s) ?? lines[0];
        say(`${own.label}, ${title}: ${own.value}${spot.point[2] ? `, ${spot.point[2]} ${this.figure.beside}` : ""}`);
      }
    }

    // Beside the point, within the chart.
    place(svg, spot) {
      const scale = this.scale(svg, spot.p);
      const at = new DOMPoint(scale.x(spot.point[0]), scale.y(spot.point[1])).matrixTransform(svg.getScreenCTM());
      const box = this.plot.getBoundingClientRect();
      this.tip.hidden = false;
      const { offsetWidth: width, offsetHeight: height } = this.tip;
      let left = at.x - box.left + 14;
      if (left + width > box.width) left = at.x - box.left - width - 14;
      const top = Math.min(Math.max(at.y - box.top - height / 2, 0), Math.max(box.height - height, 0));
      this.tip.style.left = `${Math.max(left, 0)}px`;
      this.tip.style.top = `${top}px`;
    }

    clear() {
      this.spot = null;
      this.tip.hidden = true;
      all(".ring,.cursor", this.plot).forEach((element) => element.remove());
    }

    // Moves a series' points to other heights.
    move(s, heights) {
      this.clear();
      const series = this.figure.panels[0].series[s];
      series.points.forEach((point, i) => { if (heights.has(i)) point[1] = heights.get(i); });
      for (const svg of all("svg.chart", this.plot)) {
        const scale = this.scale(svg, 0);
        const drawn = svg.querySelector(`g.panel [data-series="${s}"]`);
        const places = series.points.map(([x, y]) => `${scale.x(x).toFixed(1)} ${scale.y(y).toFixed(1)}`);
        all(".point", drawn).forEach((mark, i) => mark.setAttribute("transform", `translate(${places[i]})`));
        const line = drawn.querySelector(".line");
        if (line) line.setAttribute("d", `M${places.join("L")}`);
      }
    }
  }

  const charts = new Map(all(".plot").map((plot) => [plot.dataset.figure, new Chart(plot)]));

  // Effective throughput at the SLA of the sliders.
  const form = document.querySelector(".sliders");
  if (form && data.sla) {
    const { stages, prompt, generation } = data.sla;
    const rows = all("#sla-table tbody tr");
    const cell = (row, name, value, text) => {
      const element = row.querySelector(`[data-cell="${name}"]`);
      element.dataset.value = value;
      (element.firstElementChild ?? element).textContent = text;
    };
    const recount = () => {
      const [p, g] = [form.elements.prompt.valueAsNumber, form.elements.generation.valueAsNumber];
      const validator = form.elements.validator.value;
      const said = { prompt: prompt[p], generation: generation[g], validator };
      all("[data-told]").forEach((element) => { element.textContent = said[element.dataset.told]; });
      form.elements.prompt.setAttribute("aria-valuetext", `${prompt[p]} tokens per second`);
      form.elements.generation.setAttribute("aria-valuetext", `${generation[g]} tokens per second`);
      const moved = new Map();
      stages.forEach((stage, i) => {
        const counts = stage.counts[validator];
        let good = 0;
        // Each three: steps of the prompt's and of the generation's rate that are kept, and by how many requests.
        for (let at = 0; at < counts.length; at += 3) {
          if (counts[at] > p && counts[at + 1] > g) good += counts[at + 2];
        }
        const share = good / stage.requests;
        cell(rows[i], "good", good, String(good));
        cell(rows[i], "share", share, (share * 100).toFixed(1));
        const effective = stage.rps === null ? null : stage.rps * share;
        cell(rows[i], "effective", effective, effective === null ? "-" : effective.toFixed(3));
        if (stage.place && effective !== null) {
          const [series, point] = stage.place;
          if (!moved.has(series)) moved.set(series, new Map());
          moved.get(series).set(point, effective);
        }
      });
      const chart = charts.get("sla");
      if (chart) moved.forEach((heights, series) => chart.move(series, heights));
    };
    form.hidden = false;
    form.addEventListener("input", recount);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(recount));
    // What a browser kept of the form over a reload counts, too.
    recount();
  }

  // On paper there is nothing to unfold.
  let unfolded = [];
  window.addEventListener("beforeprint", () => {
    unfolded = all("#stages ~ .card details:not([open])");
    unfolded.forEach((details) => { details.open = true; });
  });
  window.addEventListener("afterprint", () => unfolded.forEach((details) => { details.open = false; }));
})();
