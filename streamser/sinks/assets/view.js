// What part of the recording is seen, and the drawing of each kind of row. A row's `draw` gets a context in CSS pixels and its size.

const SHORTEST = 2; // seconds that fill the width at the closest
const view = { from: 0, to: duration };
const LANE = 15; // pixels, as in the style sheet
const theme = {};

function readTheme() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["paper", "card", "ink", "dim", "line", "accent", "lost"]) theme[name] = style.getPropertyValue(`--${name}`).trim();
}

function look(from, to) {
  const span = Math.min(Math.max(to - from, Math.min(SHORTEST, duration)), duration);
  const middle = (from + to) / 2;
  view.from = Math.min(Math.max(middle - span / 2, 0), duration - span);
  view.to = view.from + span;
}

function zoomAround(time, factor) {
  const from = time - (time - view.from) * factor;
  const span = Math.max((view.to - view.from) * factor, Math.min(SHORTEST, duration));
  look(from, from + span);
}

/** Seconds to pixels of a width, for the view or for the whole. */
function scale(from, to, width) {
  return (time) => ((time - from) / (to - from)) * width;
}

function ticks(from, to, width) {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000];
  const step = steps.find((seconds) => (seconds / (to - from)) * width >= 62) || 36000;
  const times = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + 1e-9; i++) times.push(i * step);
  return { step, times };
}

function drawAxis(context, width, height) {
  const x = scale(view.from, view.to, width), { step, times } = ticks(view.from, view.to, width);
  context.fillStyle = theme.dim;
  context.textBaseline = "middle";
  context.font = "11px system-ui, sans-serif";
  for (const time of times) {
    const at = x(time);
    context.fillRect(Math.round(at), height - 4, 1, 4);
    const text = clock(time, step < 1 ? 1 : 0), half = context.measureText(text).width / 2;
    context.fillText(text, Math.min(Math.max(at - half, 0), width - 2 * half), height / 2 - 2);
  }
}

function drawLevel(context, width, height, channel, range, coloured) {
  const x = scale(range.from, range.to, width), middle = height / 2;
  const share = (decibels) => (decibels === null ? 0 : Math.min(Math.max((decibels - channel.floor) / (channel.top - channel.floor), 0), 1));
  for (const column of columns(channel, range.from, range.to, width / 2)) {
    const left = x(column.start), wide = x(column.end) - left;
    const gap = wide > 5 ? 1.5 : wide > 2.5 ? 0.8 : 0;
    const name = mostly(channel, column.start, column.end);
    context.fillStyle = coloured && name >= 0 ? names[name].colour : theme.dim;
    const bar = (part, alpha) => {
      const tall = Math.max(part * (middle - 1), 0.75);
      context.globalAlpha = alpha;
      context.beginPath();
      context.roundRect(left + gap / 2, middle - tall, Math.max(wide - gap, 0.6), 2 * tall, Math.min(tall, Math.max(wide - gap, 0) / 2, 3));
      context.fill();
    };
    bar(share(column.loudest), name >= 0 ? 0.55 : 0.3);
    bar(share(column.quietest), name >= 0 ? 1 : 0.4);
  }
  context.globalAlpha = 1;
  drawGaps(context, width, height, channel, range);
}

function drawLanes(context, width, height, channel) {
  const x = scale(view.from, view.to, width), { times } = ticks(view.from, view.to, width);
  context.fillStyle = theme.line;
  for (const time of times) context.fillRect(Math.round(x(time)), 0, 1, height);
  for (let lane = 1; lane < names.length + 1; lane += 2) {
    context.globalAlpha = 0.28;
    context.fillRect(0, lane * LANE, width, LANE);
  }
  context.globalAlpha = 1;
  const silent = (from, to) => {
    if (to - from < 1e-6) return;
    context.fillStyle = theme.dim;
    context.fillRect(x(from), (names.length + 0.5) * LANE - 1, Math.max(x(to) - x(from), 0.5), 2);
  };
  let done = view.from;
  const { stretches } = channel;
  for (let i = firstAfter(stretches, view.from); i < stretches.length && stretches[i].start < view.to; i++) {
    const { start, end, name } = stretches[i];
    silent(done, start);
    done = end;
    const left = x(start), wide = Math.max(x(end) - left, 1.5), top = name * LANE + 1.5;
    context.fillStyle = names[name].colour;
    context.beginPath();
    context.roundRect(left, top, wide, LANE - 3, Math.min(3, wide / 2));
    context.fill();
    if (name === names.length - 1) hatch(context, left, top, wide, LANE - 3, theme.paper, 5, 1.6);
  }
  silent(done, Math.min(view.to, channel.end));
  drawGaps(context, width, height, channel, view);
}

function drawProbabilities(context, width, height, channel) {
  const x = scale(view.from, view.to, width);
  const all = columns(channel, view.from, view.to, width / 2);
  let run = [];
  for (let i = 0; i <= all.length; i++) {
    if (i < all.length && all[i].probabilities) { run.push(all[i]); continue; }
    if (run.length) drawAreas(context, height, run, x, channel.labels);
    run = [];
  }
  drawGaps(context, width, height, channel, view);
}

/** Stacked areas of one stretch of speech; the labels from top to bottom as in the lanes above. */
function drawAreas(context, height, run, x, labels) {
  const at = [x(run[0].start), ...run.map(({ start, end }) => x((start + end) / 2)), x(run[run.length - 1].end)];
  const of = (i) => run[Math.min(Math.max(i - 1, 0), run.length - 1)].probabilities;
  const upper = new Float64Array(at.length), room = at[at.length - 1] - at[0];
  for (let label = 0; label < labels; label++) {
    const lower = upper.map((share, i) => share + of(i)[label]);
    context.beginPath();
    at.forEach((left, i) => context.lineTo(left, upper[i] * height));
    for (let i = at.length - 1; i >= 0; i--) context.lineTo(at[i], Math.min(lower[i], 1) * height);
    context.closePath();
    context.fillStyle = names[label].colour;
    context.fill();
    if (room > 8) { context.strokeStyle = theme.card; context.lineWidth = Math.min(1, room / at.length / 4); context.stroke(); }
    write(context, names[label], at, upper, lower, height);
    upper.set(lower);
  }
}

/** A name where its area has most room, else its letter, or nothing: never across its edges. */
function write(context, { name, letter, ink }, at, upper, lower, height) {
  context.font = "600 11px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.fillStyle = ink;
  for (const text of [name, letter.toUpperCase()]) {
    const half = context.measureText(text).width / 2 + 4;
    let most = 15, place = null;
    for (let i = 0; i < at.length; i++) {
      if (at[i] - half < at[0] || at[i] + half > at[at.length - 1]) continue;
      let from = i, to = i, top = 0, bottom = 1;
      while (from > 0 && at[from] > at[i] - half) from--;
      while (to < at.length - 1 && at[to] < at[i] + half) to++;
      for (let k = from; k <= to; k++) { top = Math.max(top, upper[k]); bottom = Math.min(bottom, lower[k]); }
      if ((bottom - top) * height > most) { most = (bottom - top) * height; place = [at[i] - half + 4, ((top + bottom) / 2) * height]; }
    }
    if (place) return context.fillText(text, ...place);
  }
}

function drawPitch(context, width, height, channel) {
  const y = (hertz) => height - 4 - (Math.log(hertz / channel.lowest) / Math.log(channel.highest / channel.lowest)) * (height - 8);
  const marks = [50, 100, 200, 400, 800].filter((hertz) => hertz > channel.lowest && hertz < channel.highest);
  const lines = marks.map((hertz) => [y(hertz), `${hertz} Hz`]);
  drawLine(context, width, channel, lines, ({ pitch }) => (pitch === null ? null : y(pitch)), theme.ink);
  drawGaps(context, width, height, channel, view);
}

function drawArousal(context, width, height, channel) {
  const y = (share) => height - 3 - share * (height - 6);
  drawLine(context, width, channel, [[y(0.5), "0.5"]], ({ arousal }) => (arousal === null ? null : y(arousal)), theme.accent, height);
  drawGaps(context, width, height, channel, view);
}

/** A line through the columns' middles, broken where there is no value; filled down to `floor` if given; over guides [y, text]. */
function drawLine(context, width, channel, guides, y, colour, floor) {
  const x = scale(view.from, view.to, width);
  context.fillStyle = theme.line;
  for (const [top] of guides) context.fillRect(0, Math.round(top), width, 1);
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 1.6;
  context.lineJoin = "round";
  let line = [];
  const end = () => {
    if (!line.length) return;
    const points = [[line[0][2], line[0][1]], ...line, [line[line.length - 1][3], line[line.length - 1][1]]];
    context.beginPath();
    for (const [left, top] of points) context.lineTo(left, top);
    context.stroke();
    if (floor !== undefined) {
      context.lineTo(points[points.length - 1][0], floor);
      context.lineTo(points[0][0], floor);
      context.globalAlpha = 0.16;
      context.fill();
      context.globalAlpha = 1;
    }
    line = [];
  };
  for (const column of columns(channel, view.from, view.to, width / 2)) {
    const top = y(column);
    if (top === null) end(); else line.push([x((column.start + column.end) / 2), top, x(column.start), x(column.end)]);
  }
  end();
  context.font = "10px system-ui, sans-serif";
  context.textBaseline = "bottom";
  context.strokeStyle = theme.card;
  context.lineWidth = 3;
  context.fillStyle = theme.dim;
  for (const [top, text] of guides) {
    if (top < 12) continue;
    context.strokeText(text, 3, Math.round(top));
    context.fillText(text, 3, Math.round(top));
  }
}

function drawGaps(context, width, height, channel, range) {
  const x = scale(range.from, range.to, width);
  for (const [start, end] of channel.gaps) {
    if (end < range.from || start > range.to) continue;
    const left = x(start), wide = Math.max(x(end) - left, 3);
    context.fillStyle = theme.paper;
    context.fillRect(left, 0, wide, height);
    hatch(context, left, 0, wide, height, theme.lost, 6, 1.5);
  }
}

function hatch(context, left, top, wide, tall, colour, apart, thick) {
  context.save();
  context.beginPath();
  context.rect(left, top, wide, tall);
  context.clip();
  context.beginPath();
  const from = Math.max(left - tall, -tall), to = Math.min(left + wide, context.canvas.clientWidth + tall);
  for (let at = Math.floor(from / apart) * apart; at < to; at += apart) { context.moveTo(at, top + tall); context.lineTo(at + tall, top); }
  context.strokeStyle = colour;
  context.lineWidth = thick;
  context.stroke();
  context.restore();
}
