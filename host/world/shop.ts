/**
 * Token halves for a program of one's own: a shop that takes them, `openShop`, and a purse that pays with them, `openPurse`, each from a
 * home by its name.
 */

import { CardPurse, type FoundTokenPurse, type TokenPurse, type Wanted } from "../tokens/buyer/buyer.js";
import type { PurseCard } from "../tokens/buyer/card.js";
import type { OrderKeeper } from "../tokens/http/open-orders.js";
import type { Seller } from "../tokens/seller/seller.js";
import { serveMint } from "./serve-mint.js";
import { Site, type WorldParts } from "./site.js";
import { HomeTokens } from "./tokens.js";
import { homeIn, partsIn } from "./wallet.js";

/** A seller that this process has. Close it. */
export interface Shop {
  readonly title: string;
  readonly seller: Seller;
  /** Whether the mint is served by this process, because nobody else does. */
  readonly mintIsHere: boolean;
  /** Tells the home where the shop's server is: buyers ask for tokens there (`paywall` answers them). */
  announce(url: string, publicUrl?: string): void;
  close(): Promise<void>;
}

/** Of what a home has. Closing it closes what was opened for it, and not the home. */
export async function shopOf(tokens: HomeTokens, name: string): Promise<Shop> {
  const record = tokens.sellerRecord(name);
  const { home } = tokens.site.parts;
  const seller = await tokens.seller(record.name);
  // Others need the mint too, and this process would keep it from them.
  const mint = home.holder("mint") === undefined ? await serveMint(tokens) : undefined;
  return {
    title: record.title,
    seller,
    mintIsHere: mint !== undefined,
    announce: (url, publicUrl) => home.announce(`seller-${record.name}`, url, publicUrl),
    close: async () => {
      await mint?.close();
      await tokens.close();
    },
  };
}

/** Opens a seller by its name, in a home or a folder that holds one. */
export async function openShop(home: string | WorldParts, name: string): Promise<Shop> {
  const parts = partsOf(home);
  return orClose(parts, async () => {
    const shop = await shopOf(await HomeTokens.open(Site.read(parts)), name);
    return { ...shop, close: () => shop.close().finally(() => parts.home.close()) };
  });
}

/** A purse that this process has. Close it: a chip belongs to one process. */
export class OpenPurse implements TokenPurse {
  readonly #purse: CardPurse;
  readonly card: PurseCard;
  /** For `payingFetch`: orders that were paid and not answered outlive this process. */
  readonly keeper: OrderKeeper;
  readonly close: () => Promise<void>;

  constructor(card: PurseCard, keeper: OrderKeeper, close: () => Promise<void>) {
    this.#purse = new CardPurse(card);
    this.card = card;
    this.keeper = keeper;
    this.close = close;
  }

  find(wanted: Wanted): Promise<FoundTokenPurse | undefined> {
    return this.#purse.find(wanted);
  }
}

/** Of what a home has. */
export async function purseOf(tokens: HomeTokens, owner: string, pin?: string, device?: string): Promise<OpenPurse> {
  const { home } = tokens.site.parts;
  const file = `orders-${owner}.json`;
  const keeper: OrderKeeper = { read: () => home.read(file), write: (text) => home.write(file, text) };
  return new OpenPurse(await tokens.purse(owner, pin, device), keeper, () => tokens.close());
}

/** Opens a purse by its owner's name, in a home or a folder that holds one. `device`: the place of the card that it is on. */
export async function openPurse(
  home: string | WorldParts,
  owner: string,
  pin?: string,
  device?: string,
): Promise<OpenPurse> {
  const parts = partsOf(home);
  return orClose(parts, async () => {
    const { card, keeper, close } = await purseOf(await HomeTokens.open(Site.read(parts)), owner, pin, device);
    return new OpenPurse(card, keeper, () => close().finally(() => parts.home.close()));
  });
}

function partsOf(home: string | WorldParts): WorldParts {
  return typeof home === "string" ? partsIn(homeIn(home)) : home;
}

async function orClose<Result>({ home }: WorldParts, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    await home.close();
    throw error;
  }
}
