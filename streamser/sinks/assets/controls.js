// Playing, zooming, the keyboard, and what is told of a moment.

const audio = $("audio");
const NUDGE = 2; // seconds an arrow key moves
const CLICK = 5; // pixels that a click may wander
let moment = 0; // seconds: where the playhead stands
let pointed = null; // seconds under the pointer
let audible = false;
let current = null;

function silence(why) {
  audible = false;
  audio.hidden = true;
  $("silent").hidden = false;
  $("silent").textContent = why;
}

function openAudio() {
  if (!page.audio) return silence("The recording was no file on this disk, so it cannot be played here. Click to look at any moment.");
  audible = true;
  audio.hidden = false;
  const failed = `${page.name} cannot be played: it is no longer where it was beside this page, or this browser does not know its format. All else works.`;
  audio.addEventListener("error", () => silence(failed));
  audio.addEventListener("play", follow);
  for (const event of ["seeked", "timeupdate"]) audio.addEventListener(event, () => audible && show(audio.currentTime));
  audio.src = page.audio;
}

function play() {
  if (audible) audio.play().catch(() => {}); // what goes wrong comes as an error event
}

function follow() {
  if (audio.paused) return;
  show(audio.currentTime);
  if (moment > view.to - 0.02 * (view.to - view.from) || moment < view.from) {
    const span = view.to - view.from;
    look(moment - 0.05 * span, moment + 0.95 * span);
    redraw();
  }
  requestAnimationFrame(follow);
}

/** Move the playhead, and the view to it if it would be out of sight. */
function goTo(time, start = false) {
  const to = Math.min(Math.max(time, 0), duration);
  if (audible) audio.currentTime = to;
  show(to);
  if (to < view.from || to > view.to) {
    const half = (view.to - view.from) / 2;
    look(to - half, to + half);
    redraw();
  }
  if (start) play();
}

function show(time) {
  moment = time;
  placeMarks();
  const last = lines.findLast((line) => line.start <= time + 1e-3);
  const now = last && last.end > time ? last : null;
  if (now === current) return;
  current?.button.classList.remove("now");
  now?.button.classList.add("now");
  current = now;
}

function placeMarks() {
  const x = scale(view.from, view.to, plotWidth());
  const place = (mark, time, shown) => {
    mark.hidden = !shown || time < view.from || time > view.to;
    mark.style.transform = `translateX(${x(time)}px)`;
  };
  place($("playhead"), moment, true);
  place($("pointer"), pointed ?? 0, pointed !== null);
  $("place").hidden = false;
  $("place").style.transform = `translateX(${scale(0, duration, plotWidth())(moment)}px)`;
  tell(pointed ?? moment);
}

function tell(time) {
  const readout = $("readout"), told = [];
  readout.replaceChildren();
  for (const channel of channels) {
    const line = element("div"), stretch = stretchAt(channel, time), bin = Math.floor(time / channel.width + 1e-6);
    const gap = channel.gaps.find(([start, end]) => start <= time && time < end);
    const swatch = element("span", "swatch");
    if (stretch && !gap) swatch.style.setProperty("--c", names[stretch.name].colour);
    line.append(swatch, `${clock(time, 1)} ${several ? `${called(channel)} ` : ""}`);
    const what = gap ? "audio was lost" : stretch ? names[stretch.name].name : "no speech";
    line.append(element("b", "", what), " ");
    const { probabilities, arousal, pitch, loudest } = average(channel, bin, Math.min(bin + 1, channel.bins));
    const likely = probabilities ? Array.from(probabilities, (share, label) => ({ share, label })).sort((a, b) => b.share - a.share).slice(0, 3) : [];
    const parts = likely.length ? [likely.map(({ share, label }) => `${names[label].name} ${percent(share)}`).join(", ")] : [];
    if (arousal !== null) parts.push(`arousal ${arousal.toFixed(2)}`);
    if (pitch !== null) parts.push(`${Math.round(pitch)} Hz`);
    if (loudest !== null) parts.push(`${Math.round(loudest)} dB`.replace("-", "\u2212"));
    line.append(element("span", "more", parts.map((part) => part.replaceAll(" ", "\u00a0").replaceAll(",\u00a0", ", ")).join(" · ")));
    readout.append(line);
    told.push(several ? `${called(channel)}: ${what}` : what);
  }
  if (pointed !== null) return;
  $("chart").setAttribute("aria-valuenow", time.toFixed(1));
  $("chart").setAttribute("aria-valuetext", `${clock(time)}, ${told.join(", ")}`);
}

/** Seconds under a pointer, in the view, or in the whole recording on the strip of it. */
function timeAt(event, overview) {
  const box = rows[0].canvas.getBoundingClientRect();
  const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
  return overview ? share * duration : view.from + share * (view.to - view.from);
}

function zoom(factor, around = (view.from + view.to) / 2) {
  zoomAround(around, factor);
  redraw();
}

function showWhole() {
  look(0, duration);
  redraw();
}

function listenToPointer() {
  const chart = $("chart"), picked = $("picked"), touches = new Map();
  let held = null; // {x, from, to, time, overview, moved}
  let spread = null; // pixels between two fingers
  const span = () => view.to - view.from;
  const distance = () => { const [a, b] = [...touches.values()]; return Math.max(Math.abs(a.clientX - b.clientX), 20); };

  chart.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.tagName !== "CANVAS") return;
    touches.set(event.pointerId, event);
    spread = touches.size === 2 ? distance() : null;
    const overview = Boolean(event.target.closest(".overview"));
    held = { x: event.clientX, from: view.from, to: view.to, time: timeAt(event, overview), overview, moved: touches.size > 1 };
    event.target.setPointerCapture(event.pointerId);
  });
  chart.addEventListener("pointermove", (event) => {
    const overview = held ? held.overview : Boolean(event.target.closest?.(".overview"));
    pointed = event.pointerType === "touch" || !(held || event.target.tagName === "CANVAS") ? null : timeAt(event, overview);
    if (held && touches.has(event.pointerId)) {
      touches.set(event.pointerId, event);
      held.moved ||= Math.abs(event.clientX - held.x) > CLICK;
      if (touches.size === 2) {
        zoom(spread / distance(), timeAt(event, false));
        spread = distance();
      } else if (held.moved && held.overview) {
        look(timeAt(event, true) - span() / 2, timeAt(event, true) + span() / 2);
        redraw();
      } else if (held.moved && event.pointerType === "touch") {
        const by = ((held.x - event.clientX) / plotWidth()) * (held.to - held.from);
        look(held.from + by, held.to + by);
        redraw();
      } else if (held.moved) {
        const x = scale(view.from, view.to, plotWidth()), [left, right] = [held.time, timeAt(event, false)].sort((a, b) => a - b);
        picked.hidden = false;
        picked.style.transform = `translateX(${x(left)}px)`;
        picked.style.width = `${x(right) - x(left)}px`;
      }
    }
    placeMarks();
  });
  const release = (event, cancelled) => {
    const was = touches.delete(event.pointerId) ? held : null;
    if (touches.size) return;
    held = null;
    picked.hidden = true;
    if (!was || cancelled) return;
    if (!was.moved) goTo(was.time, true);
    else if (!was.overview && event.pointerType !== "touch") {
      look(...[was.time, timeAt(event, false)].sort((a, b) => a - b));
      redraw();
    }
  };
  chart.addEventListener("pointerup", (event) => release(event, false));
  chart.addEventListener("pointercancel", (event) => release(event, true));
  chart.addEventListener("pointerleave", () => { pointed = null; placeMarks(); });
  chart.addEventListener("wheel", (event) => {
    const aside = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.shiftKey ? event.deltaY : 0;
    if (!event.ctrlKey && !event.metaKey && !aside) return; // the page scrolls
    event.preventDefault();
    if (aside) {
      const by = (aside / plotWidth()) * span();
      look(view.from + by, view.to + by);
      redraw();
    } else zoom(Math.exp(Math.min(Math.max(event.deltaY, -60), 60) / 150), timeAt(event, false));
  }, { passive: false });
}

function listenToKeys() {
  const keys = {
    " ": () => (audio.paused ? play() : audio.pause()),
    ArrowLeft: (fine) => goTo(moment - (fine ? channels[0].width || 0.5 : NUDGE)),
    ArrowRight: (fine) => goTo(moment + (fine ? channels[0].width || 0.5 : NUDGE)),
    ArrowUp: () => goTo(lines.findLast((line) => line.start < moment - 0.3)?.start ?? 0),
    ArrowDown: () => goTo(lines.find((line) => line.start > moment + 1e-2)?.start ?? moment),
    Home: () => goTo(0),
    End: () => goTo(duration),
    "+": () => zoom(0.6, moment),
    "=": () => zoom(0.6, moment),
    "-": () => zoom(1 / 0.6, moment),
    0: showWhole,
  };
  $("chart").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    pointed = null;
    keys[event.key](event.shiftKey);
  });
  $("in").addEventListener("click", () => zoom(0.6, moment >= view.from && moment <= view.to ? moment : undefined));
  $("out").addEventListener("click", () => zoom(1 / 0.6));
  $("whole").addEventListener("click", showWhole);
}

function start() {
  readTheme();
  makeFacts();
  makeChart();
  makeSummary();
  makeTranscript();
  openAudio();
  listenToPointer();
  listenToKeys();
  const again = () => { readTheme(); drawNow(); };
  new ResizeObserver(redraw).observe($("chart"));
  for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)", "print"]) matchMedia(query).addEventListener("change", again);
  addEventListener("beforeprint", () => {
    document.querySelector(".notice").open = true; // paper cannot be unfolded
    again();
  });
  addEventListener("afterprint", again);
  drawNow();
}

start();
