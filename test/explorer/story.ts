/**
 * What a story tells the explorer: whose elements take part, what the two hosts command, how they answer prompts, and what
 * must be so at the end. A host here is as simple as one can be; what the elements guarantee does not depend on it.
 */

import { command } from "../../host/commands.js";
import type { Pending } from "../../host/element-data.js";
import type { Notice } from "../../host/notices.js";
import type { Place } from "./stage.js";
import { SIDES, type SideNumber, type Sort, type State } from "./state.js";

/** A command for an element of the side. */
export interface Order {
  readonly to: Sort;
  readonly envelope: Uint8Array;
}

/** What comes of a notice: the application's answer, and what the host writes down before it. */
export interface Reaction {
  readonly answer?: Uint8Array;
  readonly network?: State["network"];
}

export interface SidedOrder {
  readonly side: SideNumber;
  readonly order: Order;
}

export interface SidePlaces {
  readonly agent?: Place;
  readonly module?: Place;
}

export interface Story {
  readonly name: string;
  readonly places: readonly [SidePlaces, SidePlaces];
  /** Everybody is awake, and the first commands are given. */
  readonly beginning: State;
  /** The elements which the two hosts lead the deal with. */
  readonly leads: Sort;
  /** The card network's certificates. */
  readonly networkChain: Uint8Array;
  react(side: SideNumber, source: Sort, notice: Notice, state: State): Reaction;
  /** What the hosts order when the two are brought together again. */
  meeting(state: State): readonly SidedOrder[];
  /** Agents follow their modules when they have met. */
  readonly settles: boolean;
  /** With everybody awake: whether the two have to meet again. */
  isUnfinished(state: State): boolean;
  /** Gives an element power, and what its host tells it before anything else. */
  wake(place: Place): void;
  /** What is wrong at this moment. */
  check(state: State): string | undefined;
  /** At the end, with everybody awake: what is wrong, a sentence each; whether the deal happened. */
  judge(state: State): Judgement;
}

export interface Judgement {
  readonly happened: boolean;
  readonly wrong: readonly string[];
}

/** An outcome session: begun by the payer, before a bank's module by whoever is no bank's, before a merchant's by the customer. */
export function outcomeMeeting(): readonly SidedOrder[] {
  return [
    { side: 1, order: { to: "module", envelope: command.outcome(false) } },
    { side: 0, order: { to: "module", envelope: command.outcome(true) } },
  ];
}

/** What the modules list as open. */
export function pendingOf(story: Story, state: State): Pending[] {
  return SIDES.flatMap((side) => {
    const station = state.sides[side].module;
    return station === undefined ? [] : placeOf(story, side, "module").pending(station.snapshot);
  });
}

export function placeOf(story: Story, side: SideNumber, sort: Sort): Place {
  const place = story.places[side][sort];
  if (place === undefined) throw new RangeError(`${story.name}: side ${side} has no ${sort}`);
  return place;
}
