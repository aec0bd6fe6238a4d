/**
 * Tokens go to their issuer: for money (EP 0 833 285 A2 fig. 9), and when a purse is recalled the last ones of it (fig. 10, steps
 * 1084-1086). What is sent is on the disk before it is sent, and is sent again in the same bytes until it is answered.
 */

import { CREDIT_REDEEMED, WORD_REDEEM, WORD_RETURN } from "../../../firmware/protocol/tokens.js";
import { equalBytes } from "../../codec/bytes.js";
import { CodecError } from "../../codec/errors.js";
import type { Signer } from "../../codec/signer.js";
import { sha256 } from "../../crypto.js";
import { type RandomSource, randomBytes } from "../../randomness.js";
import { sameUnit } from "../../units.js";
import { sealBulk } from "../bulk.js";
import { type CreditNotice, verifyNotice } from "../messages/closing.js";
import { PROLOGUE } from "../messages/common.js";
import { encodePresented, encodeWordAbout, signWord } from "../messages/words.js";
import type { RefusedToken } from "../parties.js";
import { rangesCount, type SerialRange } from "../terms.js";
import type { PurseBook } from "./purse-book.js";
import { believing, type KnownIssuer } from "./purses.js";
import { encodePresentedRanges, type PresentationRow, readPresentedRanges } from "./store.js";

/** Of one redemption: two megabytes of secrets. */
export const PRESENTED_TOKENS_MAX = 65_536;
/** A message may have as many ranges. */
export const PRESENTED_RANGES_MAX = 16_384;

export interface Presenter {
  readonly id: Uint8Array;
  readonly signer: Signer;
  readonly random: RandomSource;
  readonly now_seconds: number;
}

/** A word about tokens that were taken, signed and sealed, as it is stored and sent. */
export function presentation(
  presenter: Presenter,
  book: PurseBook,
  { certificate }: KnownIssuer,
  ranges: readonly SerialRange[],
  kind: "redeem" | "return",
): PresentationRow {
  const about = encodePresented({ ranges, secrets: book.halvesOf(ranges) });
  return {
    ...sealedWord(presenter, book.head.purse, certificate.agreementKey, about, kind),
    ranges: encodePresentedRanges(ranges),
    amount: book.valueOf(ranges),
  };
}

/** Of a purse that never came: there is nothing to return. */
export function emptyReturn(presenter: Presenter, purse: Uint8Array, { certificate }: KnownIssuer): PresentationRow {
  const about = encodePresented({ ranges: [], secrets: new Uint8Array(0) });
  const sealed = sealedWord(presenter, purse, certificate.agreementKey, about, "return");
  return { ...sealed, ranges: encodePresentedRanges([]), amount: 0n };
}

function sealedWord(
  { id, signer, random, now_seconds }: Presenter,
  purse: Uint8Array,
  issuerKey: Uint8Array,
  about: Uint8Array,
  kind: "redeem" | "return",
) {
  const request = randomBytes(random, 16);
  const type = kind === "redeem" ? WORD_REDEEM : WORD_RETURN;
  const word = signWord({ type, seller: id, request, purse, digest: sha256(about), time_seconds: now_seconds }, signer);
  const sealed = sealBulk(
    { remoteStatic: issuerKey, prologue: PROLOGUE.seller, random: (length) => randomBytes(random, length) },
    encodeWordAbout(word, about),
  );
  return { request, purse, kind, sealed, notice: null, refused: null };
}

/** The issuer's notice, if it says what became of exactly these tokens. `book` is missing for a purse that never came. */
export function checkedNotice(
  signed: Uint8Array,
  { certificate }: KnownIssuer,
  seller: Uint8Array,
  row: PresentationRow,
  refused: readonly RefusedToken[],
  book: PurseBook | undefined,
): CreditNotice {
  return believing("The issuer's notice", () => {
    const notice = verifyNotice(signed, certificate.signatureKey);
    const isOurs = equalBytes(notice.subject, seller) && equalBytes(notice.purse, row.purse);
    if (
      notice.what !== CREDIT_REDEEMED ||
      !isOurs ||
      notice.request === null ||
      !equalBytes(notice.request, row.request)
    )
      throw new CodecError("it is about something else");
    const ranges = readPresentedRanges(row.ranges);
    const left =
      book === undefined ? 0n : row.amount - book.valueOf(refused.map(({ serial }) => ({ first: serial, count: 1 })));
    const tokens = rangesCount(ranges) - refused.length;
    const isUnit = book === undefined || sameUnit(notice.unit, book.head.unit);
    if (notice.tokens !== tokens || notice.amount !== left || !isUnit)
      throw new CodecError(`it credits ${notice.tokens} tokens for ${notice.amount}, and not ${tokens} for ${left}`);
    return notice;
  });
}
