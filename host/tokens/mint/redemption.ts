/** A seller redeems tokens (EP 0 833 285 A2 fig. 9, response 1050), or returns its purse with the last of them (fig. 10, 1086-1088). */

import {
  CREDIT_REDEEMED,
  HALF_BYTES,
  PURSE_MONEY,
  SCHEME_SOURCE,
  WORD_RETURN,
} from "../../../firmware/protocol/tokens.js";
import { equalBytes, toHex } from "../../codec/bytes.js";
import { sha256 } from "../../crypto.js";
import type { Executor } from "../../services/database.js";
import { openBulk } from "../bulk.js";
import { isAt, TokenSecrets } from "../derive.js";
import { TokenError } from "../errors.js";
import { encodeRedemption, readRedemption } from "../messages/answers.js";
import { signNotice } from "../messages/closing.js";
import { PROLOGUE } from "../messages/common.js";
import {
  type PresentedTokens,
  readPresented,
  readWord,
  readWordAbout,
  type SellerWord,
  verifyWord,
} from "../messages/words.js";
import type { Redemption, RefusedToken } from "../parties.js";
import { isToken, placesIn, tokenOffsets } from "../source-scheme.js";
import { rangesCount, tokenValue, worthOf } from "../terms.js";
import type { MintTables, StoredPurse } from "./books.js";
import { closePurse, isOver } from "./closing.js";
import type { MintParts } from "./parts.js";
import { markRedeemed } from "./redeemed.js";
import { authentically, legibly } from "./refusals.js";
import type { RegisteredSeller } from "./registers.js";

/** So many tokens are looked at before others are answered. */
const PIECE_BYTES = 16_384 * HALF_BYTES;
const PIECE_SIGNATURES = 256;

interface Judged {
  /** Rising. */
  readonly good: readonly number[];
  readonly refused: readonly RefusedToken[];
}

interface Presented {
  readonly word: SellerWord;
  readonly about: Uint8Array;
  readonly seller: RegisteredSeller;
}

export interface Redeemed {
  readonly redemption: Redemption;
  /** Hex. */
  readonly purse: string;
}

/** `type`: WORD_REDEEM or WORD_RETURN. The same word again has the same answer, byte for byte. */
export async function redeem(parts: MintParts, sealed: Uint8Array, type: number): Promise<Redeemed> {
  const presented = await authenticate(parts, sealed, type);
  const { word, seller } = presented;
  if (word.purse === null) throw unknownPurse();
  const id = toHex(word.purse);
  const known = await earlierAnswer(parts.books.database, presented);
  if (known !== undefined) return { redemption: known, purse: id };
  const purse = await parts.books.purse(id);
  if (purse === undefined || purse.sellerKey !== seller.key) throw unknownPurse();
  const judged = await judge(
    parts,
    purse,
    legibly(() => readPresented(presented.about)),
  );
  const redemption = await parts.books.transact(async (transaction) => {
    const meanwhile = await earlierAnswer(transaction, presented);
    if (meanwhile !== undefined) return meanwhile;
    const now = await parts.books.storedPurse(id, transaction);
    requireRedeemable(parts, now);
    const answer = await credit(parts, transaction, now, presented, judged);
    if (type === WORD_RETURN) await closePurse(parts, transaction, id);
    return answer;
  });
  return { redemption, purse: id };
}

/** Unseals, and authenticates the seller's signature (1060-1062). */
async function authenticate(parts: MintParts, sealed: Uint8Array, type: number): Promise<Presented> {
  const { word: signed, about } = legibly(() =>
    readWordAbout(openBulk({ staticPrivate: parts.agreement.secretKey, prologue: PROLOGUE.seller }, sealed)),
  );
  const word = legibly(() => readWord(signed));
  if (word.type !== type)
    throw new TokenError("malformed", "This word of the seller is for another purpose. Nothing was credited.");
  const seller = await parts.registers.seller(toHex(word.seller));
  authentically(() => verifyWord(signed, seller.signatureKey));
  if (!equalBytes(word.digest, sha256(about)))
    throw new TokenError(
      "not-authentic",
      "The seller's word is about other tokens than those that came with it. Nothing was credited. Send both again.",
    );
  return { word, about, seller };
}

/** What was answered to the same word; `reused` if the id was of another. */
async function earlierAnswer(
  books: Executor<MintTables>,
  { word, seller }: Presented,
): Promise<Redemption | undefined> {
  const row = await books
    .selectFrom("token_answer")
    .select(["digest", "answer"])
    .where("seller", "=", seller.key)
    .where("request", "=", toHex(word.request))
    .executeTakeFirst();
  if (row === undefined) return undefined;
  if (!equalBytes(row.digest, wordDigest(word)))
    throw new TokenError(
      "reused",
      "The seller used this request id before, for something else. Nothing was credited this time. Send it under a new id.",
    );
  return readRedemption(row.answer);
}

/** Purse, purpose and tokens; a repeat may say another time. */
function wordDigest({ type, purse, digest }: SellerWord): Uint8Array {
  return sha256(Uint8Array.of(type, ...(purse ?? []), ...digest));
}

/** Looks at every token that is presented (1063-1064), as far as nobody else can change it. */
async function judge(parts: MintParts, purse: StoredPurse, presented: PresentedTokens): Promise<Judged> {
  requireRedeemable(parts, purse);
  if (purse.secret === null) throw purseReturned();
  if (purse.scheme === SCHEME_SOURCE) return judgeBySource(parts, purse, purse.secret, presented);
  const { ranges, secrets } = presented;
  if (secrets.length !== rangesCount(ranges) * HALF_BYTES) throw wrongLength();
  const made = new TokenSecrets(purse.secret);
  const good: number[] = [];
  const refused: RefusedToken[] = [];
  let at = 0;
  for (const range of ranges) {
    for (let serial = range.first; serial < range.first + range.count; serial++) {
      if (serial >= purse.tokens) refused.push({ serial, why: "unknown-serial" });
      else if (isAt(made.secret(serial), secrets, at)) good.push(serial);
      else refused.push({ serial, why: "wrong-secret" });
      at += HALF_BYTES;
      if (at % PIECE_BYTES === 0) await others();
    }
  }
  return { good, refused };
}

/** In the source's scheme what is presented are tokens, with their signatures; of serial numbers that there are not, nothing. */
async function judgeBySource(
  parts: MintParts,
  purse: StoredPurse,
  secret: Uint8Array,
  { ranges, secrets }: PresentedTokens,
): Promise<Judged> {
  const good: number[] = [];
  const refused: RefusedToken[] = [];
  const made = new TokenSecrets(secret);
  let end = 0;
  for (const [serial, at, length] of placesIn(tokenOffsets(purse), ranges)) {
    end = at + length;
    const value = tokenValue(purse.denominations, serial) ?? 0n;
    const expected = { value, unique: made.unique(serial) };
    if (serial % PIECE_SIGNATURES === 0) await others();
    const isGood = isToken(secrets.subarray(at, end), purse, expected, parts.signer.publicKey);
    if (isGood) good.push(serial);
    else refused.push({ serial, why: "wrong-secret" });
  }
  if (secrets.length !== end) throw wrongLength();
  for (const { first, count } of ranges)
    for (let serial = Math.max(first, purse.tokens); serial < first + count; serial++)
      refused.push({ serial, why: "unknown-serial" });
  return { good, refused };
}

function others(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function wrongLength(): TokenError {
  return new TokenError(
    "malformed",
    "What was sent is not as long as that many tokens. Nothing was credited. Send one secret for each token.",
  );
}

/** Credits those tokens that were not redeemed before, each once (1064-1068), and keeps the answer. */
async function credit(
  parts: MintParts,
  transaction: Executor<MintTables>,
  purse: StoredPurse,
  { word, seller }: Presented,
  judged: Judged,
): Promise<Redemption> {
  const { fresh, known } = await markRedeemed(transaction, purse.key, judged.good);
  const amount = worthOf(purse.denominations, fresh);
  await parts.books.addRedeemed(transaction, purse, fresh.length, amount);
  const request = toHex(word.request);
  if (purse.kind === PURSE_MONEY && fresh.length > 0)
    await parts.money?.paySeller(transaction, { id: `token-redeem/${seller.key}/${request}`, seller, purse, amount });
  const notice = signNotice(
    {
      what: CREDIT_REDEEMED,
      purse: purse.id,
      subject: seller.id,
      request: word.request,
      tokens: fresh.length,
      amount,
      unit: purse.unit,
      time_seconds: parts.now(),
    },
    parts.signer,
  );
  const again = known.map((serial): RefusedToken => ({ serial, why: "already-redeemed" }));
  const refused = [...judged.refused, ...again].sort((a, b) => a.serial - b.serial);
  const redemption: Redemption = { notice, refused };
  await transaction
    .insertInto("token_answer")
    .values({ seller: seller.key, request, digest: wordDigest(word), answer: encodeRedemption(redemption) })
    .execute();
  return redemption;
}

function requireRedeemable(parts: MintParts, purse: StoredPurse): void {
  const { closedAt_seconds, redeemBy_seconds, state } = purse;
  if (closedAt_seconds !== null && closedAt_seconds <= redeemBy_seconds) throw purseReturned();
  // What was closed stays closed, also if the clock was set back since.
  if (state === "closed" || isOver(parts, purse))
    throw new TokenError(
      "redemption-over",
      "The purse's last day for redemption is over: what the seller had not redeemed went back to the buyer. Nothing was credited.",
    );
}

function purseReturned(): TokenError {
  return new TokenError(
    "purse-closed",
    "The seller has returned this purse, and what was left went back to the buyer. Nothing was credited.",
  );
}

function unknownPurse(): TokenError {
  return new TokenError(
    "unknown-purse",
    "This issuer has made no such purse for this seller. Nothing was credited. Ask the issuer whose head is in the purse.",
  );
}
