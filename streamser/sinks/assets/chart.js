// The page's elements: the facts, the rows of every channel, the seconds of every label, the transcript.

const $ = (id) => document.getElementById(id);
const rows = []; // {canvas, height, draw}: draw(context, width, height)
const several = channels.length > 1;
const called = (channel) => `Channel ${channel.channel + 1}`;

function counted(number, thing) {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

function makeFacts() {
  const lost = Math.max(...channels.map((channel) => channel.lost));
  const facts = [
    clock(duration),
    counted(channels.reduce((sum, { utterances }) => sum + utterances.length, 0), "utterance"),
    several && counted(channels.length, "channel"),
    counted(channels.reduce((sum, { gaps }) => sum + gaps.length, 0), "gap") + (lost ? ` (${lost.toFixed(1)} s lost)` : ""),
  ];
  const speeds = channels.map((channel) => channel.speed).filter((speed) => speed);
  if (speeds.length) {
    const speed = speeds.reduce((sum, one) => sum + one, 0), took = speed * duration;
    facts.push(`recognised in ${took < 60 ? `${took.toFixed(1)} s` : clock(took)} (real-time factor ${speed.toPrecision(2)})`);
  }
  $("facts").textContent = facts.filter(Boolean).join(" · ");
}

/** What a channel's rows are scaled by. */
function measure(channel) {
  const levels = Array.from(channel.loudest).filter((level) => level).sort((a, b) => a - b);
  const at = (share) => (levels.length ? (levels[Math.floor(share * (levels.length - 1))] - 1) / 2 - 120 : -60);
  channel.top = at(1);
  channel.floor = Math.max(Math.min(at(0.02), channel.top - 24), channel.top - 36);
  let lowest = Infinity, highest = 0;
  for (const pitch of channel.pitch) if (pitch) { lowest = Math.min(lowest, pitch); highest = Math.max(highest, pitch); }
  if (!highest) lowest = highest = 150;
  const widen = Math.max(Math.sqrt(2.5 / (highest / lowest)), 1.05);
  channel.lowest = lowest / widen;
  channel.highest = highest * widen;
}

function addRow(title, detail, height, draw, className = "framed") {
  const row = element("div", `row ${className}`), gutter = element("div", "", title), canvas = element("canvas");
  if (detail) gutter.append(element("small", "", detail));
  canvas.style.height = `${height}px`;
  canvas.setAttribute("aria-hidden", "true");
  row.append(gutter, canvas);
  $("chart").append(row);
  rows.push({ canvas, height, draw });
  return row;
}

function makeChart() {
  const whole = { from: 0, to: duration };
  const overview = several ? 26 : 40;
  channels.forEach((channel, i) => {
    measure(channel);
    addRow(i ? "" : "Whole", "", overview, (context, width, height) => {
      drawLevel(context, width, height, channel, whole, true);
      const x = scale(0, duration, width);
      context.globalAlpha = 0.78;
      context.fillStyle = theme.paper;
      context.fillRect(0, 0, x(view.from), height);
      context.fillRect(x(view.to), 0, width - x(view.to), height);
      context.globalAlpha = 1;
      context.strokeStyle = theme.accent;
      context.lineWidth = 1.5;
      if (view.from > 0 || view.to < duration) context.strokeRect(x(view.from) + 0.75, 0.75, x(view.to) - x(view.from) - 1.5, height - 1.5);
    }, "framed overview");
  });
  addRow("Time", "", 22, drawAxis, "axis");
  for (const channel of channels) {
    if (several) $("chart").append(element("h3", "channel", called(channel)));
    const row = (title, detail, height, draw) => addRow(title, detail, height, (context, width, tall) => draw(context, width, tall, channel));
    row("Level", `${Math.round(channel.floor)} to ${Math.round(channel.top)} dB`, 58, (context, width, height) => drawLevel(context, width, height, channel, view, false));
    const lanes = row("", "", LANE * (names.length + 1), drawLanes);
    lanes.classList.add("lanes");
    for (const one of names) lanes.firstChild.append(lettered(one));
    lanes.firstChild.append(element("span", "", "no speech"));
    row("Probabilities", "of each emotion", 116, drawProbabilities);
    row("Pitch", "of the voice", 66, drawPitch);
    row("Arousal", "calm to excited", 46, drawArousal);
  }
  for (const id of ["picked", "pointer", "playhead", "place"]) {
    const mark = element("div", "mark");
    mark.id = id;
    mark.hidden = true;
    $("chart").append(mark);
  }
  $("chart").setAttribute("aria-valuemax", duration.toFixed(1));
}

/** A name with the letter underlined that stands for it in the areas. */
function lettered({ name, letter }) {
  const at = name.toLowerCase().indexOf(letter), made = element("span");
  if (at < 0) made.append(`${name} (${letter.toUpperCase()})`);
  else made.append(name.slice(0, at), element("u", "", name[at]), name.slice(at + 1));
  made.title = name;
  return made;
}

function plotWidth() {
  return rows[0].canvas.clientWidth;
}

let asked = 0;
/** Draw everything anew at the next picture of the screen. */
function redraw() {
  asked = asked || requestAnimationFrame(drawNow);
}

function drawNow() {
  asked = 0;
  const sharp = Math.min(window.devicePixelRatio || 1, 3);
  for (const { canvas, height, draw } of rows) {
    const width = canvas.clientWidth;
    if (!width) continue;
    canvas.width = Math.round(width * sharp);
    canvas.height = Math.round(height * sharp);
    const context = canvas.getContext("2d");
    context.scale(sharp, sharp);
    draw(context, width, height);
  }
  $("chart").style.setProperty("--top", `${$("chart").querySelector(".axis").offsetTop}px`); // where the view begins, below the strip of the whole
  placeMarks();
}

function makeSummary() {
  const shares = element("div", "shares");
  for (const channel of channels) {
    const block = element("div");
    if (several) block.append(element("h3", "", called(channel)));
    const lasted = channel.seconds, all = lasted.reduce((sum, [, , seconds]) => sum + seconds, 0);
    for (const [index, name, seconds] of lasted) {
      const row = element("div", index === null ? "share speechless" : "share"), track = element("span", "track"), bar = element("i");
      if (index !== null) row.style.setProperty("--c", names[index].colour);
      bar.style.width = `${(100 * seconds) / lasted[0][2]}%`;
      track.append(bar);
      row.append(element("span", "", name), track);
      row.append(element("span", "", `${seconds < 60 ? `${seconds.toFixed(1)} s` : clock(seconds)} · ${percent(seconds / all)}`));
      block.append(row);
    }
    if (!lasted.length) block.append(element("p", "", "Nothing was heard."));
    shares.append(block);
  }
  $("summary").append(shares);
}

const lines = []; // {start, end, button}, in order of time

function makeTranscript() {
  const list = element("ol");
  const all = channels.flatMap((channel) => channel.utterances.map((utterance) => ({ ...utterance, channel })));
  all.sort((a, b) => a.start - b.start || a.channel.channel - b.channel.channel);
  for (const { start, end, name, confidence, text, channel } of all) {
    const item = element("li"), button = element("button", "said"), how = element("span", "how");
    button.type = "button";
    button.style.setProperty("--c", names[name].colour);
    if (name === names.length - 1) button.classList.add("unsure");
    const time = element("time", "", clock(start));
    time.title = `${clock(start, 1)} to ${clock(end, 1)}`;
    how.append(element("b", "", names[name].name), " ", element("i", "", percent(confidence)));
    if (several) how.append(" ", element("i", "", `· ${called(channel).toLowerCase()}`));
    const words = element("span", text ? "words" : "words none", text || "no words understood");
    words.dir = "auto";
    button.append(time, how, words);
    button.addEventListener("click", () => goTo(start, true));
    item.append(button);
    list.append(item);
    lines.push({ start, end, button });
  }
  $("transcript").append(all.length ? list : element("p", "", "No utterance was heard."));
}
