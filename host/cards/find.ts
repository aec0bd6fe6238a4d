/** Finds an owner's chips: at the places that were named, or at any place, by the ids that they say. Nothing else is asked of a card. */

import { asError } from "../as-error.js";
import { toHex } from "../codec/bytes.js";
import type { Element } from "../element.js";
import type { ElementSort } from "../message-manager.js";
import {
  CardAbsentError,
  CardInUseError,
  CardMuteError,
  ForeignCardError,
  ReaderMissingError,
} from "../transports/card-errors.js";
import { type OpenCard, openCard } from "./card-elements.js";
import type { CardPlace } from "./place.js";

/** Where is looked, and why there may be more. */
export interface Lookout {
  list(): Promise<CardPlace[]>;
  /** A place that need not be listed. */
  named?(locator: string): CardPlace | undefined;
  /** Why some places could not be looked at when they were listed. */
  readonly missing: readonly Error[];
}

/** Subject ids of the chips that somebody has, in hexadecimal; undefined: not known here. */
export interface WantedChips {
  readonly owner: string;
  readonly agent?: string;
  readonly module?: string;
}

export interface FoundChips {
  readonly agent: Element;
  readonly module: Element;
  close(): Promise<void>;
}

export interface FoundPurse {
  readonly purse: Element;
  close(): Promise<void>;
}

/** No place is called like that. */
export class UnknownPlaceError extends Error {
  constructor(locator: string, places: readonly CardPlace[], missing: readonly Error[]) {
    const there = places.length === 0 ? NOTHING_SEEN : `There are: ${places.map(nameOf).join(", ")}.`;
    super([`There is no place "${locator}" for a card. No money moved. ${there}`, ...missing.map(whyClosed)].join(" "));
    this.name = "UnknownPlaceError";
  }
}

/** Several places are called like that. */
export class AmbiguousPlaceError extends Error {
  constructor(locator: string, places: readonly CardPlace[]) {
    super(
      `"${locator}" may be any of these: ${places.map(nameOf).join(", ")}. Nothing was done and no money moved. ` +
        "Say which one.",
    );
    this.name = "AmbiguousPlaceError";
  }
}

/** The chips at a place are somebody else's, or nobody's yet. */
export class OtherChipsError extends Error {
  constructor(place: string, owner: string) {
    super(
      `The card in ${place} has other chips than those of ${owner}. Nothing was asked of it and no money moved. ` +
        "Put the right card in, or name the place where it is.",
    );
    this.name = "OtherChipsError";
  }
}

/** Both places have a chip of the same sort. */
export class ChipsTwiceError extends Error {
  constructor(sort: ElementSort, one: string, other: string) {
    super(
      `There is ${nameOfSort(sort)} in ${one} and another in ${other}. Nothing was asked of them and no money moved. ` +
        "Name one place for the agent and one for the money module.",
    );
    this.name = "ChipsTwiceError";
  }
}

/** Only a part of a device is where it was said to be. */
export class ChipMissingError extends Error {
  constructor(sort: ElementSort, places: readonly string[]) {
    super(
      `There is no ${sort === "agent" ? "trusted agent" : "money module"} in ${places.join(" or ")}. Nothing was done and no ` +
        "money moved. If it is in another reader, name that with a second --device.",
    );
    this.name = "ChipMissingError";
  }
}

/** The card has no purse of token halves. */
export class PurseMissingError extends Error {
  constructor(place: string) {
    super(
      `There is no purse on the card in ${place}. Nothing was done and no money moved. Name the place where the purse is.`,
    );
    this.name = "PurseMissingError";
  }
}

/** The chips are at no place; `cause`: why they are not to be had in the home, where they may well be. */
export class ChipsNotFoundError extends Error {
  constructor(owner: string, looked: readonly string[], missing: readonly Error[], cause?: Error) {
    const places = looked.length === 0 ? NOTHING_SEEN : `Looked at ${looked.join("; ").replace(/\.$/, "")}.`;
    const seen = [places, ...missing.map(whyClosed)].join(" ");
    super(
      cause === undefined
        ? `The chips of ${owner} were not found. No money moved. ${seen} Put the card into a reader, or connect the device, and run the command again; a serial line is looked at only where TALLY_SERIAL or --device names it.`
        : `${cause.message} If they are on a card, put it into a reader. ${seen}`,
      cause === undefined ? {} : { cause },
    );
    this.name = "ChipsNotFoundError";
  }
}

const NOTHING_SEEN = "No reader or device is seen.";

/** Why places could not be looked at, in a message that has said already that no money moved. */
function whyClosed({ message }: Error): string {
  return message.replace(" No money moved.", "");
}

function nameOf({ locator }: CardPlace): string {
  return locator;
}

function nameOfSort(sort: ElementSort): string {
  return sort === "agent" ? "a trusted agent" : "a money module";
}

/** The place of this locator, listed or not, or the only listed one whose name has these words in it, whatever their case. */
export async function findPlace(lookout: Lookout, locator: string): Promise<CardPlace> {
  const named = lookout.named?.(locator);
  if (named !== undefined) return named;
  const places = await lookout.list();
  const exact = places.find((place) => place.locator === locator) ?? places.find(({ title }) => title === locator);
  if (exact !== undefined) return exact;
  const [, kind = "", words = ""] = /^([a-z]+:)?(.*)$/s.exec(locator) ?? [];
  const part = words.toLowerCase();
  const fitting = places.filter(
    (place) => place.locator.startsWith(kind) && `${place.locator}\n${place.title}`.toLowerCase().includes(part),
  );
  const [only] = fitting;
  if (only === undefined || part === "") throw new UnknownPlaceError(locator, places, lookout.missing);
  if (fitting.length > 1) throw new AmbiguousPlaceError(locator, fitting);
  return only;
}

/** The owner's chips at the places of these locators, one or two. */
export async function chipsAt(lookout: Lookout, wanted: WantedChips, locators: readonly string[]): Promise<FoundChips> {
  const places = new Map<string, CardPlace>();
  for (const locator of locators) {
    const place = await findPlace(lookout, locator);
    places.set(place.locator, place);
  }
  const cards: OpenCard[] = [];
  try {
    for (const place of places.values()) cards.push(await openOurs(place));
    return wholeOf(cards, wanted);
  } catch (error) {
    await closeAll(cards);
    throw error;
  }
}

/** The card at a place, which must be one of ours. */
export async function openOurs(place: CardPlace): Promise<OpenCard> {
  if (place.state === "empty") throw new CardAbsentError(place.title);
  const card = await openCard(place);
  if (card.agent !== undefined || card.module !== undefined || card.purse !== undefined) return card;
  await card.close();
  throw new ForeignCardError(place.title);
}

/** The owner's chips wherever they are, by their ids. */
export async function chipsAnywhere(lookout: Lookout, wanted: WantedChips, cause?: Error): Promise<FoundChips> {
  const looked: string[] = [];
  const ours: OpenCard[] = [];
  const hasBoth = () => (["agent", "module"] as const).every((sort) => ours.some((card) => card[sort] !== undefined));
  try {
    // One that is in use, by this process perhaps, is waited for; and no card is disturbed once both chips are found.
    const places = await lookout.list();
    const isBusy = ({ state }: CardPlace) => state === "busy";
    for (const place of [...places.filter((each) => !isBusy(each)), ...places.filter(isBusy)]) {
      const { card, what } = await lookAt(place, wanted);
      if (card !== undefined) ours.push(card);
      looked.push(`${place.locator} (${what})`);
      if (hasBoth()) return wholeOf(ours, wanted);
    }
  } catch (error) {
    await closeAll(ours);
    throw error;
  }
  await closeAll(ours);
  throw new ChipsNotFoundError(wanted.owner, looked, lookout.missing, cause);
}

/**
 * The purse on the card at a place. A purse says whose it is only to who has its PIN: agent and module beside it must be the
 * owner's, and a card that has none is taken for what it was said to be.
 */
export async function purseAt(lookout: Lookout, wanted: WantedChips, locator: string): Promise<FoundPurse> {
  const card = await openOurs(await findPlace(lookout, locator));
  const { purse, agent, module } = card;
  const close = () => card.close();
  const isAlone = agent === undefined && module === undefined;
  if (purse !== undefined && (isAlone || isOf(card, wanted))) return { purse, close };
  await close();
  throw purse === undefined ? new PurseMissingError(titleOf(card)) : new OtherChipsError(titleOf(card), wanted.owner);
}

/** The purse on the owner's card, wherever that is. */
export async function purseAnywhere(lookout: Lookout, wanted: WantedChips, cause?: Error): Promise<FoundPurse> {
  const looked: string[] = [];
  for (const place of await lookout.list()) {
    const { card, what } = await lookAt(place, wanted);
    if (card?.purse !== undefined) return { purse: card.purse, close: () => card.close() };
    await card?.close();
    looked.push(`${place.locator} (${card === undefined ? what : "no purse"})`);
  }
  throw new ChipsNotFoundError(wanted.owner, looked, lookout.missing, cause);
}

/** The card, if it is the owner's, and what to say of it otherwise. */
async function lookAt(
  place: CardPlace,
  wanted: WantedChips,
): Promise<{ readonly card?: OpenCard; readonly what: string }> {
  if (place.state === "empty") return { what: "no card" };
  let card: OpenCard;
  try {
    card = await openOurs(place);
  } catch (error) {
    return { what: whyNot(asError(error)) };
  }
  if (isOf(card, wanted)) return { card, what: "a part of them" };
  await card.close();
  return { what: "a card with other chips" };
}

function whyNot(error: Error): string {
  if (error instanceof CardInUseError) return "another program is using its card";
  if (error instanceof ForeignCardError) return "a card of something else";
  if (error instanceof ReaderMissingError) return "not connected";
  return error instanceof CardMuteError ? "a card that does not answer" : error.message.replace(/\.$/, "");
}

/** Every chip of a device that is on the card is the owner's, and there is one. */
function isOf(card: OpenCard, wanted: WantedChips): boolean {
  const sorts = (["agent", "module"] as const).filter((sort) => card[sort] !== undefined);
  return sorts.length > 0 && sorts.every((sort) => idOf(card[sort]) === wanted[sort]);
}

function idOf(element: Element | undefined): string | undefined {
  const id = element?.known.id;
  return id === undefined ? undefined : toHex(id);
}

/** Agent and module of these cards, which are the owner's. Where nobody knows the ids the PIN will tell. */
function wholeOf(cards: readonly OpenCard[], wanted: WantedChips): FoundChips {
  const only = (sort: ElementSort): Element => {
    const having = cards.filter((card) => card[sort] !== undefined);
    const [one, other] = having;
    const element = one?.[sort];
    if (one === undefined || element === undefined) throw new ChipMissingError(sort, cards.map(titleOf));
    if (other !== undefined) throw new ChipsTwiceError(sort, titleOf(one), titleOf(other));
    if (wanted[sort] !== undefined && idOf(element) !== wanted[sort]) {
      throw new OtherChipsError(titleOf(one), wanted.owner);
    }
    return element;
  };
  return { agent: only("agent"), module: only("module"), close: () => closeAll(cards) };
}

function titleOf({ place }: OpenCard): string {
  return place.title;
}

async function closeAll(cards: readonly OpenCard[]): Promise<void> {
  for (const card of cards) await card.close();
}
