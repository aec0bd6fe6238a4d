/** A seller's purse arrives (EP 0 833 285 A2 fig. 5, steps 522-524): unsealed, and believed only as far as it can be checked. */

import { ROLE_MINT } from "../../../firmware/protocol/kinds.js";
import { equalBytes, toHex } from "../../codec/bytes.js";
import { type Certificate, type Root, verifyChain } from "../../codec/certificate.js";
import { CodecError } from "../../codec/errors.js";
import { NoiseError } from "../../codec/noise.js";
import { openBulk } from "../bulk.js";
import { TokenError } from "../errors.js";
import { PROLOGUE } from "../messages/common.js";
import { readSellerPurse, type SellerPurse, verifyHead } from "../messages/purses.js";
import type { Issuer } from "../parties.js";
import { PurseBook } from "./purse-book.js";

/** An issuer whose tokens this seller takes. */
export interface SellerIssuer {
  /** Its chain, in the agents' tree. */
  readonly chain: Uint8Array;
  readonly line: Issuer;
  /** What it is believed of buyers, such as "over-21"; without it nothing. */
  readonly assertions?: readonly string[];
  /** False for an authorization service: behind its tokens is no money. */
  readonly makesMoney?: boolean;
}

export interface KnownIssuer {
  readonly certificate: Certificate;
  readonly line: Issuer;
  readonly assertions: readonly string[];
  readonly makesMoney: boolean;
}

/** What somebody sent is not what it should be: TokenErrors for what codecs and Noise throw. */
export function believing<Result>(what: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    const isTheirs = error instanceof CodecError || error instanceof NoiseError || error instanceof RangeError;
    if (!isTheirs) throw error;
    throw new TokenError("not-authentic", `${what} cannot be believed: ${error.message}. Nothing was changed by it.`, {
      cause: error,
    });
  }
}

/** An issuer's certificate, checked under the root of the agents' tree. */
export function issuerCertificate(chain: Uint8Array, root: Root, now_seconds: number): Certificate {
  const { device } = verifyChain(chain, root, now_seconds);
  if (device.role !== ROLE_MINT) throw new CodecError("chain: not an issuer's");
  return device;
}

export interface ArrivedPurse {
  readonly book: PurseBook;
  readonly contents: SellerPurse;
  /** What its head is signed with. */
  readonly issuerKey: Uint8Array;
}

export interface PurseReceiver {
  readonly seller: Uint8Array;
  /** X25519. */
  readonly agreementSecret: Uint8Array;
  readonly root: Root;
  readonly now_seconds: number;
  readonly issuers: ReadonlyMap<string, KnownIssuer>;
}

/** Step 522, and the checks. */
export function openPurse(sealed: Uint8Array, receiver: PurseReceiver): ArrivedPurse {
  return believing("The purse", () => {
    const { agreementSecret, issuers, now_seconds, root, seller } = receiver;
    const contents = readSellerPurse(openBulk({ staticPrivate: agreementSecret, prologue: PROLOGUE.purse }, sealed));
    const { id, signatureKey } = issuerCertificate(contents.chain, root, now_seconds);
    const issuer = issuers.get(toHex(id));
    if (issuer === undefined) throw new CodecError("it is of an issuer whose tokens this seller does not take");
    const head = verifyHead(contents.head, signatureKey);
    if (!equalBytes(head.issuer, id)) throw new CodecError("its head names another issuer");
    if (!equalBytes(head.seller, seller)) throw new CodecError("it is another seller's");
    if (head.assertion !== null && !issuer.assertions.includes(head.assertion))
      throw new CodecError("its issuer is not believed what it says of the buyer");
    if (head.assertion === null && !issuer.makesMoney) throw new CodecError("its issuer makes no money");
    if (head.holders < 1 || head.holders !== contents.orderKeys.length)
      throw new CodecError("it has not one key for each holder");
    if (!PurseBook.fits(head, contents)) throw new CodecError("its leaves and halves are not those of its head");
    const book = new PurseBook(head, signatureKey, contents.orderKeys, "open", contents);
    return { book, contents, issuerKey: signatureKey };
  });
}
