/** Why somebody cannot join, or has not joined yet: what was made, that no money moved, what to do. */

import { TransportError } from "../transport.js";
import type { UnfinishedOnCard } from "./plan.js";

/** A name that cannot be given to a new device. */
export class NameError extends Error {
  constructor(name: string, why: string) {
    super(`"${name}" ${why}. Nothing was made and no money moved. Choose another name.`);
    this.name = "NameError";
  }
}

/** What was ordered cannot be made. */
export class OrderError extends Error {
  constructor(what: string, then: string) {
    super(`${what} Nothing was made and no money moved. ${then}`);
    this.name = "OrderError";
  }
}

/** What was broken off was ordered otherwise. */
export class OtherOrderError extends Error {
  constructor(name: string, options: readonly string[], isOnCard: boolean) {
    const how = isOnCard ? `${name} --device PLACE" without other options` : `${name}" without options`;
    super(
      `"${name}" was ordered before, was never finished, and is finished as it was ordered: ${options.join(", ")} ` +
        `${options.length === 1 ? "was" : "were"} not the same. Nothing was done and no money moved. ` +
        `Run "tally device provision ${how}.`,
    );
    this.name = "OtherOrderError";
  }
}

/** Chips were begun on a card, and nobody has said where it is. */
export class CardNeededError extends Error {
  constructor({ device: { name, agent, module } }: UnfinishedOnCard) {
    super(
      `${name} was begun on a card (agent ${agent.id}, money module ${module.id}). Nothing was done and no money moved. Put that ` +
        `card in, and name its place: tally device provision ${name} --device PLACE.`,
    );
    this.name = "CardNeededError";
  }
}

/** Chips that were made and may be paid for soon are not where they were made. */
export class ChipsMissingError extends Error {
  constructor(name: string, place: string) {
    super(
      `The chips of ${name} were made in ${place} and are not there any more. Nothing was done and no money moved. ` +
        "Put the folder back where it was, and run the command again.",
    );
    this.name = "ChipsMissingError";
  }
}

/** Something went wrong on the way. */
export class JoinBrokenOffError extends Error {
  /** `places`: of the card that it is made on. */
  constructor(name: string, cause: unknown, places: readonly string[] = []) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const why = cause instanceof TransportError ? cause.what : message;
    const again = [`tally device provision ${name}`, ...places.map((place) => `--device ${quoted(place)}`)].join(" ");
    const card = places.length === 0 ? "" : " with the same card";
    super(
      `Making the device ${name} was broken off: ${why.replace(/\.$/, "")}. What was made is kept, and no electronic money ` +
        `moved. Run "${again}" again${card}: it finishes what was begun.`,
      { cause },
    );
    this.name = "JoinBrokenOffError";
  }
}

/** For a shell, one word: readers and devices are called what they say. */
function quoted(place: string): string {
  return `'${place.replaceAll("'", "'\\''")}'`;
}
