/** A seller that nobody reaches, or that was away, collects what waits for it. */

import { equalBytes } from "../../codec/bytes.js";
import { sha256 } from "../../crypto.js";
import { TokenError } from "../errors.js";
import { encodeWaiting } from "../messages/answers.js";
import type { SellerWord } from "../messages/words.js";
import type { Waiting } from "../parties.js";
import type { StoredPurse, WaitingItem } from "./books.js";
import { closedNotice, isOver, recallOf } from "./closing.js";
import type { MintParts } from "./parts.js";
import type { RegisteredSeller } from "./registers.js";

/** The seller's clock and the issuer's: an old word, overheard, gets nothing. */
const WORD_SECONDS_MAX = 300;
/** One answer holds as many tokens at most, but for a purse that is larger; and as many recalls and notices. */
const TOKENS_MAX = 262_144;
const ITEMS_MAX = 256;

/** `makePurse` makes and seals a seller's purse. */
export async function collect(
  parts: MintParts,
  seller: RegisteredSeller,
  word: SellerWord,
  makePurse: (purse: StoredPurse) => Promise<Uint8Array>,
): Promise<Waiting> {
  if (Math.abs(word.time_seconds - parts.now()) > WORD_SECONDS_MAX)
    throw new TokenError(
      "out-of-date",
      "The seller's word is too old, or its clock is wrong. Nothing was given out. Set the clock and ask again.",
    );
  const { books } = parts;
  await acknowledge(parts, seller, word);
  const rows = await books.waitingFor(seller.key);
  const purses: StoredPurse[] = [];
  let tokens = 0;
  for (const { purse: id } of rows.filter(({ what }) => what === "purse")) {
    const purse = await books.storedPurse(id);
    tokens += purse.tokens;
    if (purses.length > 0 && tokens > TOKENS_MAX) break;
    purses.push(purse);
  }
  const closed: StoredPurse[] = [];
  for (const { purse } of rows.filter(({ what }) => what === "notice").slice(0, ITEMS_MAX))
    closed.push(await books.storedPurse(purse));
  const recalled = (await books.pursesIn(["recalled"], seller.key)).filter((purse) => !isOver(parts, purse));
  const waiting: Waiting = {
    purses: await Promise.all(purses.map(makePurse)),
    recalls: recalled.slice(0, ITEMS_MAX).map((purse) => recallOf(parts, purse)),
    notices: closed.map((purse) => closedNotice(parts, purse)),
  };
  await books.transact(async (transaction) => {
    const handed = [
      ...purses.map(({ key }): WaitingItem => ({ what: "purse", purse: key })),
      ...closed.map(({ key }): WaitingItem => ({ what: "notice", purse: key })),
    ];
    await books.hand(transaction, seller.key, handed);
    await books.setCollected(transaction, seller.key, sha256(encodeWaiting(waiting)));
  });
  return waiting;
}

/** Strikes off what was in the last answer, if the seller says that it has it. Recalls stay until the purse comes. */
async function acknowledge({ books }: MintParts, seller: RegisteredSeller, word: SellerWord): Promise<void> {
  await books.transact(async (transaction) => {
    const last = await books.collected(transaction, seller.key);
    if (last !== undefined && equalBytes(last, word.digest)) await books.strikeHanded(transaction, seller.key);
  });
}
