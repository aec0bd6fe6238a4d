/** One way, walked again from its faults, as a sequence diagram in text. */

import * as m from "../../firmware/protocol/messages.js";
import { toHex } from "../../host/codec/bytes.js";
import { decode } from "../../host/codec/cbor.js";
import { readNotice } from "../../host/notices.js";
import { tearsOf } from "../../simulator/tears.js";
import { cutState, draws, killed, withoutPower } from "./explore.js";
import { type Fault, faultsOf, faultText, struck } from "./faults.js";
import { type Event, Machine, nextEvent, touched } from "./machine.js";
import type { Answer, Traced } from "./stage.js";
import { SIDES, SORTS, type State } from "./state.js";
import { placeOf, type Story } from "./story.js";

const COMMANDS = named("COMMAND_");
const KINDS = named("KIND_");

export interface Replayed {
  readonly lines: readonly string[];
  readonly wrong: string | undefined;
}

export function replay(story: Story, faults: readonly Fault[]): Replayed {
  const diagram = new Diagram(story);
  const machine = new Machine(story);
  machine.onCarried = (from, to, envelope, answer) => diagram.carried(from, to, envelope, answer);
  let wrong: string | undefined;
  try {
    const end = walk(machine, diagram, faults);
    const judged = story.judge(end);
    wrong = judged.wrong.length > 0 ? judged.wrong.join("; ") : undefined;
    diagram.note(`end: the deal ${judged.happened ? "happened" : "did not happen"}`);
  } catch (error) {
    if (error instanceof FaultMissing) throw error;
    wrong = error instanceof Error ? error.message : String(error);
  }
  if (wrong !== undefined) diagram.note(`WRONG: ${wrong}`);
  return { lines: diagram.lines, wrong };
}

/** Every fault must find what it strikes. */
function walk(machine: Machine, diagram: Diagram, faults: readonly Fault[]): State {
  const { story } = machine;
  const left = [...faults];
  let state = story.beginning;
  for (let event = nextEvent(state); event !== undefined; event = nextEvent(state)) {
    const fault = left.find((each) => each.event === state.events);
    if (fault === undefined) {
      const { phase, round } = state;
      state = machine.after(state, event);
      if (event.kind === "time" && (phase !== state.phase || round !== state.round)) diagram.note(state.phase);
      const wrong = story.check(state);
      if (wrong !== undefined) throw new Error(wrong);
      diagram.holdings(state);
      continue;
    }
    left.splice(left.indexOf(fault), 1);
    diagram.note(`*** ${faultText(fault)}${aboutOf(story, event, fault)}`);
    const struck = faulty(machine, state, event, fault);
    if (struck === undefined) throw new FaultMissing(fault);
    state = struck;
  }
  const [missing] = left;
  if (missing !== undefined) throw new FaultMissing(missing);
  return state;
}

/** A fault names what is not there: no message, no operation, no event. */
export class FaultMissing extends RangeError {
  override readonly name = "FaultMissing";

  constructor(fault: Fault) {
    super(`${faultText(fault)}: there is nothing that it could strike`);
  }
}

function faulty(machine: Machine, state: State, event: Event, fault: Fault): State | undefined {
  const { story } = machine;
  if (fault.kind === "death") return killed(story, state, fault);
  if (fault.kind === "message") {
    return faultsOf(event).includes(fault.fault) ? struck(state, event, fault.fault) : undefined;
  }
  const at = touched(event);
  const trace: Traced[] = [];
  new Machine(story).after(state, event, trace);
  const traced = trace[fault.operation];
  if (at === undefined || traced === undefined) return undefined;
  const place = placeOf(story, at.side, at.sort);
  const random = draws(state.events * 64 + fault.operation);
  const tear = [...tearsOf(traced.operation, place.chip.flashWordSize(), random)][fault.tear];
  if (tear === undefined) return undefined;
  const torn = cutState(state, at, place.torn(traced, tear));
  return fault.both ? withoutPower(story, torn, event) : torn;
}

function aboutOf(story: Story, event: Event, fault: Fault): string {
  const at = touched(event);
  if (fault.kind === "death") return "";
  return at === undefined ? "" : ` at ${placeOf(story, at.side, at.sort).name}`;
}

class Diagram {
  readonly lines: string[] = [];
  #last = "";

  constructor(private readonly story: Story) {}

  note(text: string): void {
    this.lines.push(`--- ${text}`);
  }

  carried(from: string, to: string, envelope: Uint8Array, answer: Answer): void {
    this.lines.push(`${from.padStart(10)} -> ${to.padEnd(16)} ${textOf(envelope, "command")}`);
    if (answer.kind === "refused") this.lines.push(`${"".padStart(14)}${to}: refused, ${answer.status.toString(16)}`);
    if (answer.kind !== "taken") return;
    for (const each of answer.envelopes) {
      this.lines.push(`${"".padStart(14)}${to} -> ${addressee(each).padEnd(6)} ${textOf(each, "notice")}`);
    }
  }

  /** What modules say that they have, when it has changed. */
  holdings(state: State): void {
    const texts: string[] = [];
    for (const side of SIDES) {
      for (const sort of SORTS) {
        const station = state.sides[side][sort];
        if (station === undefined || sort !== "module" || !station.isOn) continue;
        const place = placeOf(this.story, side, sort);
        const holding = place.holding(station.snapshot);
        if (holding === undefined) continue;
        const open = holding.pending.map(
          (each) => `${each.state} ${each.money.amount} ${toHex(each.payId).slice(0, 4)}`,
        );
        texts.push(`${place.name}: ${holding.spendable} [${open.join(", ")}]`);
      }
    }
    const text = texts.join("; ");
    if (text !== "" && text !== this.#last) this.lines.push(`${"".padStart(60)}| ${text}`);
    if (text !== "") this.#last = text;
  }
}

function addressee(envelope: Uint8Array): string {
  return ["host", "agent", "module", "peer"][envelope[0] ?? 0] ?? "?";
}

function textOf(envelope: Uint8Array, of: "command" | "notice"): string {
  const kind = envelope[1] ?? 0;
  const body = envelope.subarray(2);
  if (kind === m.KIND_HANDSHAKE) return `handshake, purpose ${body[0]}, step ${body[1]}`;
  if (kind !== m.KIND_HOST) return `${KINDS.get(kind) ?? kind}, ${body.length} bytes`;
  return of === "command" ? commandText(body) : noticeText(body);
}

function commandText(body: Uint8Array): string {
  const [number] = decode(body) as readonly unknown[];
  return `command ${COMMANDS.get(Number(number)) ?? String(number)}`;
}

function noticeText(body: Uint8Array): string {
  const { name, ...rest } = readNotice(body);
  const values = JSON.stringify(rest, (_key, value: unknown) => {
    if (value instanceof Uint8Array) return toHex(value).slice(0, 8);
    return typeof value === "bigint" ? String(value) : value;
  });
  return `notice ${name} ${values.slice(0, 80)}`;
}

function named(prefix: string): ReadonlyMap<number, string> {
  const entries = Object.entries(m).filter(([name]) => name.startsWith(prefix));
  return new Map(
    entries.map(([name, value]) => [value as number, name.slice(prefix.length).toLowerCase().replaceAll("_", " ")]),
  );
}
