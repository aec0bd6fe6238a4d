/** The elements on a card: each on a logical channel of its own, the first on the basic one, which every card has. */

import { recordedByEnvironment } from "../apdu-tools/recording.js";
import { APPLET_OF_SORT } from "../applets.js";
import type { ChipSort } from "../chips.js";
import { Element } from "../element.js";
import { StatusWordError } from "../status-words.js";
import type { Transport } from "../transport.js";
import { CardChannels } from "../transports/card-channels.js";
import { CardInUseError } from "../transports/card-errors.js";
import type { CardPlace } from "./place.js";

/** In this order they get their channels. */
const SORTS: readonly ChipSort[] = ["agent", "module", "purse"];

/** A card that this process has for itself. One of something else has no elements. */
export interface OpenCard {
  readonly place: CardPlace;
  readonly agent?: Element;
  readonly module?: Element;
  readonly purse?: Element;
  /** Takes its power away. */
  close(): Promise<void>;
}

/** Places whose cards this process has: who pays from one card to another looks for the payee's, and must not wait for itself. */
const ours = new Set<string>();

/** Takes the card at a place and selects whatever is on it. */
export async function openCard(place: CardPlace): Promise<OpenCard> {
  if (ours.has(place.locator)) throw new CardInUseError(place.title);
  ours.add(place.locator);
  let transport: Transport | undefined;
  const close = async () => {
    try {
      await transport?.close();
    } finally {
      ours.delete(place.locator);
    }
  };
  try {
    transport = await place.connect();
    transport = recordedByEnvironment(transport, "card");
    return { place, ...(await selectAll(new CardChannels(transport))), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function selectAll(channels: CardChannels): Promise<{ [sort in ChipSort]?: Element }> {
  const elements: { [sort in ChipSort]?: Element } = {};
  let channel: Transport | undefined;
  for (const sort of SORTS) {
    channel ??= await unlessRefused(channels.open());
    // A card with one channel has one application, or none at a time.
    if (channel === undefined) break;
    const element: Element | undefined = await unlessRefused(Element.select(channel, APPLET_OF_SORT[sort].number));
    if (element === undefined) continue;
    elements[sort] = element;
    channel = undefined;
  }
  return elements;
}

/** Undefined where the card refuses: it has no such application, no such channel, or knows no such command. */
async function unlessRefused<Result>(asked: Promise<Result>): Promise<Result | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof StatusWordError) return undefined;
    throw error;
  }
}
