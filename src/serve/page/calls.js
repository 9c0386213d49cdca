// The times of calls: figures, and a chart. All figures come from the times in the run store.

import { element, hasEnded, IN_PARALLEL, ONE_BY_ONE, percent, plural, seconds, stateOf } from "./server.js";

/// Maximum number of calls in a chart.
export const DRAWN = 400;
/// Share of its time without a call from which a run does not compare.
const STILL = 0.1;
const SVG = "http://www.w3.org/2000/svg";

/// Figures of some calls. Calls in flight have lasted until `now`. Lost calls do not count.
export function measure(calls, now) {
  const known = calls.filter((one) => !one.lost);
  if (known.length === 0) return null;
  const spans = known.map((one) => ({ ...one, until: Math.max(one.ended_ms ?? now, one.sent_ms) }));
  const first = Math.min(...spans.map((one) => one.sent_ms));
  const last = Math.max(...spans.map((one) => one.until));
  return {
    first,
    wall: (last - first) / 1000,
    work: sum(spans.map((one) => one.until - one.sent_ms)) / 1000,
    answered: spans.filter((one) => one.answered).length,
    ...overlapOf(spans),
    documents: new Set(known.map((one) => one.document)).size,
    ofDocuments: sum([...spansOfDocuments(spans).values()].map(([from, to]) => to - from)) / 1000,
  };
}

const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);

/// From the first call to the end of the last one, by document.
function spansOfDocuments(spans) {
  const documents = new Map();
  for (const one of spans) {
    const [from, to] = documents.get(one.document) ?? [Infinity, 0];
    documents.set(one.document, [Math.min(from, one.sent_ms), Math.max(to, one.until)]);
  }
  return documents;
}

/// The most calls at once, and the seconds without any.
function overlapOf(spans) {
  const steps = spans.flatMap((one) => [[one.sent_ms, 1], [one.until, -1]]);
  // A call that ends makes room for one that begins in the same millisecond.
  steps.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let [now, most, idle, since] = [0, 0, 0, steps[0][0]];
  for (const [at, step] of steps) {
    if (now === 0) idle += at - since;
    now += step;
    most = Math.max(most, now);
    since = at;
  }
  return { most, idle: idle / 1000 };
}

/// Shows in sentences how much faster the second lane is, which works in parallel.
export function comparison(slowLane, fastLane, slow, fast) {
  const runs = [slowLane.run, fastLane.run];
  const isPair = runs[0].label === ONE_BY_ONE && runs[1].label === IN_PARALLEL && runs[0].job === runs[1].job;
  const isComplete = runs.every((run) => run.state === "complete");
  if (!isPair || (isComplete && commonCalls(slowLane, fastLane).length === 0)) {
    return [element("p", "These runs were not started side by side with the same documents, so they have no speed-up.")];
  }
  if (isComplete) return final(slow, fast);
  if (runs.some((run) => hasEnded(run) && run.state !== "complete")) {
    const facts = [[runs[0], slow, "One call at a time"], [runs[1], fast, "In parallel"]].map(
      ([run, lane, how]) => `${how}: ${stateOf(run)}, with ${plural(lane.answered, "answer")} in ${seconds(lane.wall)}.`,
    );
    return [element("p", `${facts.join(" ")} Incomplete runs have no speed-up.`)];
  }
  return soFar(slowLane, fastLane, slow, fast);
}

/// Compares complete runs.
function final(slow, fast) {
  const factor = slow.wall / fast.wall;
  if (!Number.isFinite(factor) || factor <= 0) return [];
  const headline = headlineOf(factor, " as fast in parallel");
  const times = `One call at a time: ${seconds(slow.wall)}. In parallel: ${seconds(fast.wall)}, with up to ${plural(fast.most, "call")} at once.`;
  const lines = [headline, element("p", `${times} Efficiency: ${percent(factor / fast.most)} (${factor.toFixed(2)} of ${fast.most} times).`)];
  if (fast.documents > 1) {
    const [within, across] = [fast.work / fast.ofDocuments, fast.ofDocuments / fast.wall];
    const mean = `On average, ${within.toFixed(1)} calls of a document and ${across.toFixed(1)} documents were at work at the same time in parallel.`;
    lines.push(element("p", mean));
  }
  if ([slow, fast].some((lane) => lane.idle > STILL * lane.wall)) {
    const idle = `Nothing was in flight for ${seconds(slow.idle)} and ${seconds(fast.idle)} of these times`;
    lines.push(element("p", `${idle}, for example because a run was paused, so they do not compare exactly.`));
  }
  if (slow.answered !== fast.answered) {
    lines.push(element("p", `The runs have ${slow.answered} and ${fast.answered} answers, so their times do not compare exactly.`));
  }
  return lines;
}

/// Compares running lanes by the calls that both have answered.
function soFar(slowLane, fastLane, slow, fast) {
  const [ends, fastEnds] = [slowLane, fastLane].map((lane) => endsOfAnswers(lane.calls.values()));
  const common = commonCalls(slowLane, fastLane);
  const until = (ends, lane) => (Math.max(...common.map((call) => ends.get(call))) - lane.first) / 1000;
  const [slowly, quickly] = [until(ends, slow), until(fastEnds, fast)];
  const factor = slowly / quickly;
  if (!Number.isFinite(factor) || factor <= 0) return [element("p", "The speed-up appears when both have answered the same calls.")];
  const times = `One call at a time: ${seconds(slowly)}. In parallel: ${seconds(quickly)}.`;
  return [headlineOf(factor, ` as fast in parallel so far, for ${plural(common.length, "call")} on both sides`), element("p", times)];
}

function headlineOf(factor, rest) {
  const headline = element("p", "", { class: "headline" });
  headline.append(element("strong", `${factor.toFixed(2)} times`), rest);
  return headline;
}

/// The calls that both lanes have answered.
function commonCalls(...lanes) {
  const [ends, others] = lanes.map((lane) => endsOfAnswers(lane.calls.values()));
  return [...ends.keys()].filter((call) => others.has(call));
}

/// When each answered call ended, by document and call.
function endsOfAnswers(calls) {
  const answered = [...calls].filter((one) => one.answered);
  return new Map(answered.map((one) => [JSON.stringify([one.document, one.call]), one.ended_ms]));
}

/// A sentence about the overlap of the calls of one run.
export function overlap(lane) {
  if (!lane || lane.answered < 2 || lane.wall === 0) return "";
  const factor = (lane.work / lane.wall).toFixed(1);
  return `${seconds(lane.work)} of calls in ${seconds(lane.wall)}: ${factor} at once on average, ${lane.most} at most`;
}

/// Draws calls as bars over `clock` seconds.
export function draw(chart, axis, calls, lane, now, clock) {
  const all = [...calls].sort((a, b) => a.sent_ms - b.sent_ms || a.id - b.id);
  const drawn = all.slice(-DRAWN);
  const height = 150 / drawn.length;
  const scale = 1000 / Math.max(clock, 0.001);
  chart.setAttribute("viewBox", "0 0 1000 160");
  chart.setAttribute("preserveAspectRatio", "none");
  const label = `${plural(all.length, "call")} in ${seconds(lane.wall)}, up to ${lane.most} at once`;
  chart.setAttribute("aria-label", drawn.length < all.length ? `${label}. The chart shows the last ${DRAWN}` : label);
  const bars = drawn.map((one, at) => {
    const bar = document.createElementNS(SVG, "rect");
    const from = (one.sent_ms - lane.first) / 1000;
    const to = Math.max(((one.ended_ms ?? (one.lost ? one.sent_ms : now)) - lane.first) / 1000, from);
    const place = { x: from * scale, width: Math.max((to - from) * scale, 2), y: 5 + at * height, height: Math.max(Math.min(height, 26) * 0.8, 0.5) };
    for (const [name, value] of Object.entries(place)) bar.setAttribute(name, value.toFixed(2));
    const state = one.lost ? "lost" : one.ended_ms === null ? "open" : one.answered ? "answered" : "other";
    bar.setAttribute("class", state);
    const title = document.createElementNS(SVG, "title");
    title.textContent = `${one.document}: ${one.call}, ${state === "lost" ? "no answer, because the server ended" : seconds(to - from)}`;
    bar.append(title);
    return bar;
  });
  chart.replaceChildren(...bars);
  drawAxis(axis, clock);
}

/// Marks of a time axis at round seconds.
function drawAxis(axis, clock) {
  const rough = Math.max(clock, 0.01) / 4;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * unit).find((n) => n >= rough);
  const key = `${step} ${clock.toFixed(3)}`;
  if (axis.dataset.key === key) return;
  axis.dataset.key = key;
  const marks = [];
  for (let at = 0; at <= clock * 0.97; at += step) {
    const mark = element("span", `${Number(at.toPrecision(6))} s`);
    mark.style.left = `${(at / clock) * 100}%`;
    marks.push(mark);
  }
  axis.replaceChildren(...marks);
}
