/** The faults of one way, as values with names. What a fault strikes is named by its number in that way, counted from its beginning. */

/** Who runs as a process of its own, with books that outlive it. */
export const SERVICES = ["mint", "service", "seller"] as const;
export type ServiceName = (typeof SERVICES)[number];

/**
 * What can happen to a message and its answer. The sender of one that is lost, late or stale learns no more than that the line broke.
 * `repeat`: it comes twice; `together`: both at once; `late`: after the next one; `stale`: when all is over; `again`: now, and once more when
 * all is over. `alter-...`: in a byte string of it, the first or the last byte.
 */
export const PLAIN_MESSAGE_FAULTS = ["lose", "lose-answer", "repeat", "together", "late", "stale", "again"] as const;
export type MessageFault =
  | (typeof PLAIN_MESSAGE_FAULTS)[number]
  | { readonly alters: "message" | "answer"; readonly part: number; readonly end: "first" | "last" };

export type Fault =
  /** At the operation of this number of all chips together, the tear of this number in the order of `tearsOf`. */
  | { readonly kind: "cut"; readonly operation: number; readonly tear: number }
  | { readonly kind: "message"; readonly message: number; readonly fault: MessageFault }
  /** At the commit of this number of this process. */
  | { readonly kind: "crash"; readonly who: ServiceName; readonly commit: number; readonly side: "before" | "after" }
  /** Before the message of this number. */
  | { readonly kind: "restart"; readonly who: ServiceName | "card"; readonly message: number };

export function faultText(fault: Fault): string {
  switch (fault.kind) {
    case "cut":
      return `cut:${fault.operation}:${fault.tear}`;
    case "message":
      return `message:${fault.message}:${messageFaultText(fault.fault)}`;
    case "crash":
      return `crash:${fault.who}:${fault.commit}:${fault.side}`;
    case "restart":
      return `restart:${fault.who}:${fault.message}`;
  }
}

function messageFaultText(fault: MessageFault): string {
  return typeof fault === "string" ? fault : `alter-${fault.alters}-${fault.part}-${fault.end}`;
}

/** RangeError for what names no fault. */
export function parseFault(text: string): Fault {
  const [kind, first = "", second = "", third = ""] = text.split(":");
  const number = (digits: string) => {
    if (!/^\d+$/.test(digits)) throw new RangeError(`"${text}" is no fault: "${digits}" is no number`);
    return Number(digits);
  };
  const known = <Name extends string>(names: readonly Name[], name: string): Name => {
    const found = names.find((each) => each === name);
    if (found === undefined) throw new RangeError(`"${text}" is no fault: "${name}" is none of ${names.join(", ")}`);
    return found;
  };
  switch (kind) {
    case "cut":
      return { kind, operation: number(first), tear: number(second) };
    case "message":
      return { kind, message: number(first), fault: parseMessageFault(text, second, number, known) };
    case "crash":
      return { kind, who: known(SERVICES, first), commit: number(second), side: known(["before", "after"], third) };
    case "restart":
      return { kind, who: known([...SERVICES, "card"], first), message: number(second) };
    default:
      throw new RangeError(`"${text}" is no fault: cut, message, crash or restart`);
  }
}

function parseMessageFault(
  text: string,
  fault: string,
  number: (digits: string) => number,
  known: <Name extends string>(names: readonly Name[], name: string) => Name,
): MessageFault {
  const [verb, alters = "", part = "", end = ""] = fault.split("-");
  if (verb !== "alter") return known(PLAIN_MESSAGE_FAULTS, fault);
  if (fault.split("-").length !== 4) throw new RangeError(`"${text}" is no fault: alter-message-0-first, or the like`);
  return { alters: known(["message", "answer"], alters), part: number(part), end: known(["first", "last"], end) };
}
