/** The faults of one step, as values with names, and what each makes of a state. */

import { MESSAGE_FAULTS as LINK_FAULTS, type MessageFault as LinkFault } from "../support/faults.js";
import type { Event } from "./machine.js";
import {
  cutWire,
  type Flight,
  type Hold,
  type Job,
  type SideNumber,
  type State,
  withFlights,
  withSide,
} from "./state.js";

/**
 * As on a link between two hosts, but for what depends on when a host hears of it. Between two that take turns, "overtaken" is overtaken by
 * what somebody asked for again.
 */
export type MessageFault = Exclude<LinkFault, "cut-behind">;
export const MESSAGE_FAULTS = LINK_FAULTS.filter((fault): fault is MessageFault => fault !== "cut-behind");

/** What can happen to an envelope between the elements of one device, of which only their host could be the cause. */
export const PARTNER_FAULTS: readonly MessageFault[] = [
  "lose",
  "repeat",
  "corrupt-kind",
  "corrupt-first",
  "corrupt-last",
];

/** One fault, at the event of this number since the beginning. */
export type Fault =
  | { readonly kind: "message"; readonly event: number; readonly fault: MessageFault }
  | { readonly kind: "death"; readonly event: number; readonly side: SideNumber; readonly loses: "host" | "power" }
  /**
   * At the operation of this number within the event, the tear of this number in the order of `tearsOf`; `both`: the other element of
   * the device loses power with it.
   */
  | {
      readonly kind: "cut";
      readonly event: number;
      readonly operation: number;
      readonly tear: number;
      readonly both: boolean;
    };

export function faultText(fault: Fault): string {
  switch (fault.kind) {
    case "message":
      return `message:${fault.event}:${fault.fault}`;
    case "death":
      return `death:${fault.event}:${fault.side}:${fault.loses}`;
    case "cut":
      return `cut:${fault.event}:${fault.operation}:${fault.tear}${fault.both ? ":both" : ""}`;
  }
}

/** RangeError for what names no fault. */
export function parseFault(text: string): Fault {
  const [kind, ...rest] = text.split(":");
  const number = (i: number, max = Number.MAX_SAFE_INTEGER): number => {
    const value = Number(rest[i]);
    if (!/^\d+$/.test(rest[i] ?? "") || value > max) throw new RangeError(`"${text}" is no fault`);
    return value;
  };
  const what = rest[1] as MessageFault;
  const loses = rest[2];
  if (kind === "message" && rest.length === 2 && MESSAGE_FAULTS.includes(what)) {
    return { kind, event: number(0), fault: what };
  }
  if (kind === "death" && rest.length === 3 && (loses === "host" || loses === "power")) {
    return { kind, event: number(0), side: number(1, 1) as SideNumber, loses };
  }
  const both = rest[3] === "both";
  if (kind === "cut" && (rest.length === 3 || (rest.length === 4 && both))) {
    return { kind, event: number(0), operation: number(1), tear: number(2), both };
  }
  throw new RangeError(`"${text}" is no fault`);
}

/** What the message that would come next does instead. */
export function struck(state: State, event: Event, fault: MessageFault): State {
  if (event.kind === "arrival") return struckOnWire(state, event.direction, event.flight, fault);
  return event.kind === "job" ? struckInside(state, event.side, event.job, fault) : state;
}

/** Faults that there are for the next message. */
export function faultsOf(event: Event): readonly MessageFault[] {
  if (event.kind === "arrival") return MESSAGE_FAULTS;
  return event.kind === "job" && (event.job.from === "agent" || event.job.from === "module") ? PARTNER_FAULTS : [];
}

function struckInside(state: State, side: SideNumber, job: Job, fault: MessageFault): State {
  const { jobs } = state.sides[side];
  const rest = jobs.slice(1);
  const at = { "corrupt-kind": 1, "corrupt-first": 2, "corrupt-last": job.envelope.length - 1 }[fault as string];
  const changed = at === undefined ? job : { ...job, envelope: flipped(job.envelope, at) };
  return withSide(state, side, {
    jobs: fault === "lose" ? rest : fault === "repeat" ? [job, ...jobs] : [changed, ...rest],
  });
}

function struckOnWire(state: State, direction: SideNumber, flight: Flight, fault: MessageFault): State {
  const flights = state.wire.flights[direction];
  const others = flights.filter((each) => each !== flight);
  const replaced = (...changed: Flight[]) => withFlights(state, direction, [...changed, ...others]);
  switch (fault) {
    case "lose":
      return replaced();
    case "repeat":
      return replaced(flight, { ...flight });
    case "echo":
      return replaced(flight, held(flight, "second"));
    case "overtaken":
      return replaced(held(flight, "next"));
    case "late":
      return replaced(held(flight, "asked"));
    case "stale":
      return replaced(held(flight, "end"));
    case "corrupt-kind":
      return replaced(altered(flight, 1));
    case "corrupt-first":
      return replaced(altered(flight, 2));
    case "corrupt-last":
      return replaced(altered(flight, flight.message.length - 1));
    case "truncate":
      return replaced({ ...flight, message: flight.message.slice(0, -1) });
    case "cut":
      return cutWire(state);
  }
}

function held(flight: Flight, hold: Hold): Flight {
  return { ...flight, hold };
}

function altered(flight: Flight, at: number): Flight {
  return { ...flight, message: flipped(flight.message, at) };
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const changed = bytes.slice();
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}
