/**
 * What happens next in a state, and the state after it. Each event is one thing at one element, a message that arrives, or a
 * host that goes on to its next business; which comes first is decided by the state alone.
 *
 * A deal runs until nothing moves. Then the hosts hang up, elements without power get it, the modules meet in an outcome
 * session, agents follow their modules, the card network is told, hosts let modules forget. If something is open then, they
 * do it again, at most MEETINGS_MAX times.
 */

import { QUERIES_MAX } from "../../firmware/protocol/limits.js";
import * as m from "../../firmware/protocol/messages.js";
import { equalBytes } from "../../host/codec/bytes.js";
import { command, timeoutEnvelope } from "../../host/commands.js";
import { sha256 } from "../../host/crypto.js";
import { type Notice, readNotice } from "../../host/notices.js";
import type { Answer, Traced } from "./stage.js";
import {
  afterWord,
  cutWire,
  type Flight,
  type Job,
  PHASES,
  SIDES,
  type Side,
  type SideNumber,
  SORTS,
  type Sort,
  type State,
  type Station,
  withFlights,
  withSide,
  withStation,
} from "./state.js";
import { placeOf, type Story } from "./story.js";

/** Elements that are together again settle at once; later times are for what a fault did to the first. */
export const MEETINGS_MAX = 3;

export type Event =
  | { readonly kind: "job"; readonly side: SideNumber; readonly job: Job }
  | { readonly kind: "arrival"; readonly direction: SideNumber; readonly flight: Flight }
  | { readonly kind: "wake"; readonly side: SideNumber; readonly sort: Sort }
  /** What nothing but time does: a host asks, a held message is let go, the next phase begins. */
  | { readonly kind: "time" };

const ADDRESS: Record<"host" | "peer" | Sort, number> = {
  host: m.ADDRESS_HOST,
  agent: m.ADDRESS_AGENT,
  module: m.ADDRESS_MODULE,
  peer: m.ADDRESS_PEER,
};
const PEER_KINDS: ReadonlySet<number> = new Set([m.KIND_HANDSHAKE, m.KIND_SEALED, m.KIND_REFUSAL]);

export function nextEvent(state: State): Event | undefined {
  if (state.phase === "over") return undefined;
  for (const side of SIDES) {
    const job = state.sides[side].jobs[0];
    if (job !== undefined) return { kind: "job", side, job };
  }
  for (const direction of SIDES) {
    const flight = state.wire.flights[direction].find(({ hold }) => hold === undefined);
    if (flight !== undefined) return { kind: "arrival", direction, flight };
  }
  if (state.phase === "power") {
    for (const side of SIDES) {
      for (const sort of SORTS) if (state.sides[side][sort]?.isOn === false) return { kind: "wake", side, sort };
    }
  }
  return { kind: "time" };
}

/** The element that the event is about. */
export function touched(event: Event): { side: SideNumber; sort: Sort } | undefined {
  switch (event.kind) {
    case "job":
      return { side: event.side, sort: event.job.to };
    case "arrival":
      return { side: event.direction === 0 ? 1 : 0, sort: event.flight.sort };
    case "wake":
      return { side: event.side, sort: event.sort };
    default:
      return undefined;
  }
}

export class Machine {
  /** Told of everything that is carried, for a diagram. */
  onCarried: ((from: string, to: string, envelope: Uint8Array, answer: Answer) => void) | undefined;

  constructor(readonly story: Story) {}

  after(before: State, event: Event, trace?: Traced[]): State {
    const state = { ...before, events: before.events + 1 };
    switch (event.kind) {
      case "job":
        return this.#carry(
          withSide(state, event.side, { jobs: state.sides[event.side].jobs.slice(1) }),
          event.side,
          event.job,
          trace,
        );
      case "arrival":
        return this.#arrive(state, event.direction, event.flight, trace);
      case "wake":
        return this.#wake(state, event.side, event.sort, trace);
      case "time":
        return this.#time(state);
    }
  }

  // Envelopes.

  #arrive(state: State, direction: SideNumber, flight: Flight, trace?: Traced[]): State {
    const flights = state.wire.flights[direction];
    const at = flights.indexOf(flight);
    // Who was to be overtaken by one message has been.
    const left = flights.filter((_each, i) => i !== at).map(overtaken);
    const now = withFlights(state, direction, left);
    const side = direction === 0 ? 1 : 0;
    const envelope = flight.message.slice();
    const isWanted = envelope[0] === ADDRESS[flight.sort] && PEER_KINDS.has(envelope[1] ?? 0) && envelope.length >= 2;
    if (!isWanted) return now;
    envelope[0] = m.ADDRESS_PEER;
    return this.#carry(now, side, { to: flight.sort, from: "peer", envelope }, trace);
  }

  #carry(state: State, side: SideNumber, job: Job, trace?: Traced[]): State {
    const station = state.sides[side][job.to];
    if (station === undefined) return state;
    if (!station.isOn) return refused(state, side, job);
    const place = placeOf(this.story, side, job.to);
    const { result, snapshot } = place.run(station.snapshot, () => place.deliver(job.envelope), trace);
    this.onCarried?.(job.from === "peer" ? "peer" : `${side} ${job.from}`, place.name, job.envelope, result);
    const now = withStation(state, side, job.to, { snapshot });
    return result.kind === "taken" ? this.#taken(now, side, job, result.envelopes) : refused(now, side, job);
  }

  #taken(state: State, side: SideNumber, job: Job, answer: readonly Uint8Array[]): State {
    const before = state.sides[side][job.to] as Station;
    const again = isAgain(job, answer, before.lastAnswer);
    let now = withStation(state, side, job.to, {
      lastAnswer: answer,
      ...(job.from === "host" && job.envelope[1] === m.KIND_HOST ? { refusals: 0 } : {}),
      ...(job.from === "agent" || job.from === "module" ? { lastFromPartner: job.envelope } : {}),
      ...(job.from === "peer" ? { awaiting: false, asked: 0 } : {}),
    });
    for (const envelope of answer) {
      const address = envelope[0];
      if (address === m.ADDRESS_PEER) now = send(now, side, job.to, envelope, job.envelope[1] === m.KIND_TIMEOUT);
      else if (address === m.ADDRESS_HOST) {
        if (!again || !before.lastAnswer.some((earlier) => equalBytes(earlier, envelope))) {
          now = this.#notified(now, side, job.to, envelope);
        }
      } else now = toPartner(now, side, job.to, envelope);
    }
    return now;
  }

  #notified(state: State, side: SideNumber, source: Sort, envelope: Uint8Array): State {
    if (envelope[1] !== m.KIND_HOST) return state;
    const notice = readNotice(envelope.subarray(2));
    const { answer, network } = this.story.react(side, source, notice, state);
    let now = network === undefined ? state : { ...state, network };
    if (answer !== undefined) now = ordered(now, side, source, answer);
    return this.#told(now, side, source, notice);
  }

  /** What every application does with these notices. */
  #told(state: State, side: SideNumber, source: Sort, notice: Notice): State {
    const leads = source === this.story.leads;
    const { word } = state.sides[side];
    const said = (now: "done" | "aborted" | "doubt") => (state.phase === "deal" ? afterWord(word, now) : word);
    switch (notice.name) {
      case "sent":
      case "received": {
        const now = notice.name === "received" ? withStation(state, side, source, { awaiting: false }) : state;
        return leads ? withSide(now, side, { forget: notice.payId, word: said("done") }) : now;
      }
      case "done":
      case "aborted":
        return leads ? withSide(state, side, { word: said(notice.name) }) : state;
      case "doubt":
      case "provisional":
        return leads ? withSide(state, side, { word: said("doubt") }) : state;
      case "settled":
        return source === "agent" ? withSide(state, side, { open: notice.open }) : state;
      default:
        return state;
    }
  }

  #wake(state: State, side: SideNumber, sort: Sort, trace?: Traced[]): State {
    const station = state.sides[side][sort] as Station;
    const place = placeOf(this.story, side, sort);
    const { snapshot } = place.run(station.snapshot, () => this.story.wake(place), trace);
    return withStation(state, side, sort, { ...fresh(station), snapshot, isOn: true });
  }

  // Time.

  #time(state: State): State {
    for (const number of SIDES) {
      const side = state.sides[number];
      if (side.forget === undefined) continue;
      if (side.module?.awaiting === true) continue;
      const now = withSide(state, number, { forget: undefined });
      return this.story.leads === "module" ? ordered(now, number, "module", command.forget(side.forget)) : now;
    }
    for (const number of SIDES) {
      for (const sort of SORTS) {
        const station = state.sides[number][sort];
        if (station?.awaiting === true) return released(this.#ask(state, number, sort, station), "asked");
      }
    }
    const late = released(state, "next", "second", "asked", "end");
    return late === state ? this.#next(state) : late;
  }

  /** The reply has not come. */
  #ask(state: State, side: SideNumber, sort: Sort, station: Station): State {
    if (station.asked > QUERIES_MAX + 1) return withStation(state, side, sort, { awaiting: false });
    const now = withStation(state, side, sort, { awaiting: false, asked: station.asked + 1 });
    return ordered(now, side, sort, timeoutEnvelope());
  }

  #next(state: State): State {
    const phase = PHASES[PHASES.indexOf(state.phase) + 1] ?? "over";
    if (phase !== "over") return this.#begin({ ...state, phase });
    const isOpen = this.#isOpen(state);
    if (isOpen && state.round < MEETINGS_MAX)
      return this.#begin({ ...state, phase: "hang up", round: state.round + 1 });
    return { ...state, phase };
  }

  #isOpen(state: State): boolean {
    const stations = state.sides.flatMap((side) => [side.agent, side.module]);
    if (stations.some((station) => station?.isOn === false)) return true;
    if (state.sides.some((side) => side.open > 0)) return true;
    return state.network.some((entry) => entry.state === "approved") || this.story.isUnfinished(state);
  }

  #begin(state: State): State {
    switch (state.phase) {
      case "hang up":
        return state.round === 0 ? hungUp(state) : this.#switchedOff(hungUp(state));
      case "meet":
        return this.#meet(newWire(state));
      case "follow":
        return this.story.settles ? followed(cutWire(state)) : cutWire(state);
      case "report":
        return this.#report(state);
      case "forget":
        return this.#forget(state);
      default:
        return state;
    }
  }

  /** What people do when the first meeting did not help: everything is switched off, and on again. */
  #switchedOff(state: State): State {
    let now = state;
    for (const side of SIDES) {
      for (const sort of SORTS) {
        const station = now.sides[side][sort];
        if (station === undefined) continue;
        const snapshot = placeOf(this.story, side, sort).off(station.snapshot);
        now = withSide(withStation(now, side, sort, { snapshot, isOn: false }), side, { jobs: [] });
      }
    }
    return now;
  }

  #meet(state: State): State {
    let now = state;
    for (const { side, order } of this.story.meeting(now)) now = ordered(now, side, order.to, order.envelope);
    return now;
  }

  /** The merchant's host asks its agent about every authorization whose end it does not know. */
  #report(state: State): State {
    let now = state;
    for (const entry of state.network) {
      if (entry.state !== "approved") continue;
      now = ordered(now, 1, "agent", command.report(sha256(entry.approval)));
      now = ordered(now, 1, "agent", command.authorized(entry.approval, this.story.networkChain));
    }
    return now;
  }

  #forget(state: State): State {
    let now = state;
    for (const side of SIDES) {
      const { agent, module } = state.sides[side];
      if (agent !== undefined || module?.isOn !== true) continue;
      for (const pending of placeOf(this.story, side, "module").pending(module.snapshot)) {
        const isOver = pending.state === "settled" || (pending.state === "committed" && pending.confirmed);
        if (isOver && !pending.acknowledged) now = ordered(now, side, "module", command.forget(pending.payId));
      }
    }
    return now;
  }
}

/** A command of the host, behind what is there already. */
export function ordered(state: State, side: SideNumber, to: Sort, envelope: Uint8Array): State {
  const job: Job = { to, from: "host", envelope };
  return withSide(state, side, { jobs: [...state.sides[side].jobs, job] });
}

/** Modules that were not met wait no longer; agents follow theirs. Until an agent says that it has, something is open. */
function followed(state: State): State {
  let now = state;
  for (const side of SIDES) {
    const { agent, module } = state.sides[side];
    if (agent === undefined) continue;
    if (module !== undefined) now = ordered(now, side, "module", command.cancel());
    now = ordered(withSide(now, side, { open: 1 }), side, "agent", command.settle());
  }
  return now;
}

function overtaken(flight: Flight): Flight {
  if (flight.hold === "next") return { ...flight, hold: undefined };
  return flight.hold === "second" ? { ...flight, hold: "next" } : flight;
}

function fresh(station: Station): Station {
  const { snapshot, isOn } = station;
  const nothing = { awaiting: false, asked: 0, refusals: 0, lastFromPartner: undefined, lastAnswer: [] };
  return { snapshot, isOn, ...nothing };
}

function newWire(state: State): State {
  return { ...state, wire: { ...state.wire, isCut: false, flights: [[], []] } };
}

/** Both hosts leave the conversation: their elements are told to cancel whatever is not over. */
function hungUp(state: State): State {
  let now = cutWire(state);
  for (const side of SIDES) {
    now = withSide(now, side, { jobs: [], forget: undefined });
    for (const sort of SORTS) {
      const station = now.sides[side][sort];
      if (station === undefined) continue;
      now = withStation(now, side, sort, fresh(station));
      if (station.isOn) now = ordered(now, side, sort, command.cancel());
    }
  }
  return now;
}

function send(state: State, side: SideNumber, sort: Sort, envelope: Uint8Array, isAsking: boolean): State {
  const message = envelope.slice();
  message[0] = ADDRESS[sort];
  const station = state.sides[side][sort] as Station;
  const now = withStation(state, side, sort, { awaiting: true, asked: isAsking ? station.asked : 0 });
  const { isCut, sent } = state.wire;
  const counted: readonly [number, number] = side === 0 ? [sent[0] + 1, sent[1]] : [sent[0], sent[1] + 1];
  const wire = { ...now.wire, sent: counted };
  if (isCut) return { ...now, wire };
  const flight: Flight = { sort, message, hold: undefined };
  return withFlights({ ...now, wire }, side, [...now.wire.flights[side], flight]);
}

function toPartner(state: State, side: SideNumber, from: Sort, envelope: Uint8Array): State {
  const to: Sort = envelope[0] === m.ADDRESS_AGENT ? "agent" : "module";
  const forwarded = envelope.slice();
  forwarded[0] = ADDRESS[from];
  const partner = state.sides[side][to];
  if (partner === undefined) return state;
  const taken = partner.lastFromPartner;
  if (taken !== undefined && equalBytes(taken, forwarded)) return state;
  return withSide(state, side, { jobs: [...state.sides[side].jobs, { to, from, envelope: forwarded }] });
}

/** A peer's message that is refused is dropped; what an element said to its partner in vain is as if no answer came. */
function refused(state: State, side: SideNumber, job: Job): State {
  if (job.from === "peer" || job.from === "host") return state;
  const sender = state.sides[side][job.from] as Station;
  if (sender.refusals > QUERIES_MAX) return state;
  const now = withStation(state, side, job.from, { refusals: sender.refusals + 1 });
  return ordered(now, side, job.from, timeoutEnvelope());
}

/** Lets go what was held for one of these reasons; the same state if there is none. */
function released(state: State, ...holds: readonly string[]): State {
  let now = state;
  for (const direction of SIDES) {
    const flights = now.wire.flights[direction];
    if (!flights.some(({ hold }) => hold !== undefined && holds.includes(hold))) continue;
    const let_go = flights.map((each) =>
      each.hold !== undefined && holds.includes(each.hold) ? { ...each, hold: undefined } : each,
    );
    now = withFlights(now, direction, let_go);
  }
  return now;
}

/** As in the message manager: an element that only says again what it had said before repeats its notices too. */
function isAgain(job: Job, answer: readonly Uint8Array[], before: readonly Uint8Array[]): boolean {
  if (job.envelope[1] === m.KIND_TIMEOUT) return true;
  if (job.from === "host" || answer.length !== before.length) return false;
  return answer.every((envelope, i) => equalBytes(envelope, before[i] ?? new Uint8Array(0)));
}

/** A host dies: what it knew is gone, and its end of the wire; its elements keep power, or lose it. */
export function died(
  state: State,
  side: SideNumber,
  loses: "host" | "power",
  offSnapshot: (sort: Sort) => Uint8Array,
): State {
  const { word } = state.sides[side];
  let now = cutWire(withSide(state, side, { jobs: [], word: word === "nothing" ? "gone" : word, forget: undefined }));
  for (const sort of SORTS) {
    const station = now.sides[side][sort];
    if (station === undefined) continue;
    now = withStation(now, side, sort, fresh(station));
    if (loses === "power") now = withStation(now, side, sort, { snapshot: offSnapshot(sort), isOn: false });
  }
  return now;
}

export function newSide(parts: { agent?: Station | undefined; module?: Station | undefined }): Side {
  return { jobs: [], agent: parts.agent, module: parts.module, word: "nothing", forget: undefined, open: 0 };
}
