/** The faults of one step, as values with names, and what each makes of a state. */


import { cutWire, type Flight, type Hold, type SideNumber, type State, withFlights } from "./state.js";

/**
 * `repeat`: it comes twice; `echo`: once more after the next of its direction; `overtaken`: after the next; `late`: when somebody asked
 * again; `stale`: when everybody has given up; `cut`: the wire ends before it, `cut-behind`: right after it.
 */
export const MESSAGE_FAULTS = [
  "lose",
  "repeat",
  "echo",
  "overtaken",
  "late",
  "stale",
  "corrupt-kind",
  "corrupt-first",
  "corrupt-last",
  "truncate",
  "cut",
] as const;
export type MessageFault = (typeof MESSAGE_FAULTS)[number];

/** One fault, at the event of this number since the beginning. */
export type Fault =
  | { readonly kind: "message"; readonly event: number; readonly fault: MessageFault }
  | { readonly kind: "death"; readonly event: number; readonly side: SideNumber; readonly loses: "host" | "power" }
  /** At the operation of this number within the event, the tear of this number in the order of `tearsOf`. */
  | { readonly kind: "cut"; readonly event: number; readonly operation: number; readonly tear: number };

export function faultText(fault: Fault): string {
  switch (fault.kind) {
    case "message":
      return `message:${fault.event}:${fault.fault}`;
    case "death":
      return `death:${fault.event}:${fault.side}:${fault.loses}`;
    case "cut":
      return `cut:${fault.event}:${fault.operation}:${fault.tear}`;
  }
}

export function parseFault(text: string): Fault {
  const [kind, event, what, more] = text.split(":");
  const numbers = [event, what, more].map(Number) as [number, number, number];
  const isMessage = MESSAGE_FAULTS.includes(what as MessageFault);
  if (kind === "message" && isMessage) return { kind, event: numbers[0], fault: what as MessageFault };
  if (kind === "death" && (more === "host" || more === "power")) {
    return { kind, event: numbers[0], side: numbers[1] === 0 ? 0 : 1, loses: more };
  }
  if (kind === "cut" && numbers.every(Number.isInteger)) {
    return { kind, event: numbers[0], operation: numbers[1], tear: numbers[2] };
  }
  throw new RangeError(`"${text}" is no fault`);
}

/** What the message that would arrive next does instead. */
export function struck(state: State, direction: SideNumber, flight: Flight, fault: MessageFault): State {
  const flights = state.wire.flights[direction];
  const others = flights.filter((each) => each !== flight);
  const replaced = (...changed: Flight[]) => withFlights(state, direction, [...changed, ...others]);
  switch (fault) {
    case "lose":
      return replaced();
    case "repeat":
      return replaced(flight, { ...flight });
    case "echo":
      return replaced(flight, held(flight, "next"));
    case "overtaken":
      return replaced(held(flight, "next"));
    case "late":
      return replaced(held(flight, "asked"));
    case "stale":
      return replaced(held(flight, "end"));
    case "corrupt-kind":
      return replaced(flipped(flight, 1));
    case "corrupt-first":
      return replaced(flipped(flight, 2));
    case "corrupt-last":
      return replaced(flipped(flight, flight.message.length - 1));
    case "truncate":
      return replaced({ ...flight, message: flight.message.slice(0, -1) });
    case "cut":
      return cutWire(state);
  }
}

function held(flight: Flight, hold: Hold): Flight {
  return { ...flight, hold };
}

function flipped(flight: Flight, at: number): Flight {
  const message = flight.message.slice();
  message[at] = (message[at] ?? 0) ^ 1;
  return { ...flight, message };
}

