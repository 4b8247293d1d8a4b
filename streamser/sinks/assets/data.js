"use strict";
// What was recognised, as the page carries it: see html_track.py for how it is packed.

const page = JSON.parse(document.getElementById("data").textContent);
const names = page.names; // the labels, then "uncertain"
const channels = page.channels.map(unpack);
const duration = Math.max(0.001, ...channels.map((channel) => channel.end));

function unpack(raw) {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const view = (text) => new DataView(bytes(text).buffer);
  const pitch = view(raw.pitch), stretches = view(raw.stretches);
  const channel = {
    ...raw,
    speech: bytes(raw.speech), aroused: bytes(raw.aroused), arousal: bytes(raw.arousal), probabilities: bytes(raw.probabilities),
    loudest: bytes(raw.loudest), quietest: bytes(raw.quietest),
    pitch: Float32Array.from({ length: pitch.byteLength / 2 }, (_, i) => pitch.getUint16(2 * i, true) / 10),
    stretches: Array.from({ length: stretches.byteLength / 12 }, (_, i) => ({
      start: stretches.getUint32(12 * i, true) / 1000, end: stretches.getUint32(12 * i + 4, true) / 1000, name: stretches.getUint32(12 * i + 8, true),
    })),
    utterances: raw.utterances.map(([start, end, name, confidence, text]) => ({ start, end, name, confidence, text })),
  };
  channel.bins = channel.speech.length;
  channel.labels = channel.bins ? channel.probabilities.length / channel.bins : 0;
  return channel;
}

/** The first of the sorted things that ends after a time. */
function firstAfter(things, time) {
  let low = 0, high = things.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (things[middle].end > time) high = middle; else low = middle + 1;
  }
  return low;
}

/** The stretch at a time, or undefined where nobody speaks. */
function stretchAt(channel, time) {
  const found = channel.stretches[firstAfter(channel.stretches, time)];
  return found && found.start <= time ? found : undefined;
}

/** Which name holds longest between two times; -1 without speech. */
function mostly(channel, from, to) {
  const lasted = new Float64Array(names.length);
  for (let i = firstAfter(channel.stretches, from); i < channel.stretches.length && channel.stretches[i].start < to; i++) {
    const { start, end, name } = channel.stretches[i];
    lasted[name] += Math.min(end, to) - Math.max(start, from);
  }
  const longest = lasted.reduce((best, seconds, name) => (seconds > lasted[best] ? name : best), 0);
  return lasted[longest] > 0 ? longest : -1;
}

/** The mean over bins [from, to): what there is of it, null where nothing is. */
function average(channel, from, to) {
  const probabilities = new Float64Array(channel.labels);
  let speech = 0, aroused = 0, arousal = 0, voiced = 0, pitch = 0, loudest = 0, quietest = 255;
  for (let i = from; i < to; i++) {
    const weight = channel.speech[i];
    speech += weight;
    if (weight) for (let k = 0; k < channel.labels; k++) probabilities[k] += weight * channel.probabilities[i * channel.labels + k];
    if (channel.aroused[i]) { aroused++; arousal += channel.arousal[i] / 255; }
    if (channel.pitch[i]) { voiced++; pitch += Math.log(channel.pitch[i]); }
    loudest = Math.max(loudest, channel.loudest[i]);
    if (channel.quietest[i]) quietest = Math.min(quietest, channel.quietest[i]);
  }
  const sum = probabilities.reduce((a, b) => a + b, 0);
  return {
    probabilities: speech && sum ? probabilities.map((value) => value / sum) : null,
    arousal: aroused ? arousal / aroused : null,
    pitch: voiced ? Math.exp(pitch / voiced) : null,
    loudest: loudest ? (loudest - 1) / 2 - 120 : null,
    quietest: loudest ? (quietest - 1) / 2 - 120 : null,
  };
}

/** The bins between two times, joined so that there are no more columns than asked for. */
function columns(channel, from, to, most) {
  const width = channel.width;
  if (!channel.bins) return [];
  const size = Math.max(1, Math.ceil((to - from) / width / most));
  const found = [];
  for (let i = Math.max(0, Math.floor(from / width / size) * size); i < channel.bins && i * width < to; i += size) {
    const after = Math.min(i + size, channel.bins);
    found.push({ start: i * width, end: Math.min(after * width, channel.end), ...average(channel, i, after) });
  }
  return found;
}

function clock(seconds, decimals = 0) {
  const unit = 10 ** decimals;
  const all = Math.floor(seconds * unit + 1e-6) / unit;
  const hours = Math.floor(all / 3600), minutes = Math.floor((all % 3600) / 60);
  const rest = (all % 60).toFixed(decimals).padStart(decimals ? 3 + decimals : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** An element with text; nothing is ever parsed as HTML. */
function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
