/** An issuer that is asked over HTTP. */

import { encode } from "../../codec/cbor.js";
import { CodecError } from "../../codec/errors.js";
import { TokenError } from "../errors.js";
import { readBuyerPurse, readIssued, readRedemption, readRefund, readWaiting } from "../messages/answers.js";
import type { BuyerPurse, IssuedPurses, Issuer, Redemption, Refund, Waiting } from "../parties.js";
import { MINT_PATHS } from "./mint-paths.js";
import { post } from "./post.js";

export interface MintClientOptions {
  /** How long an answer may take; an issuer waits for a seller that it asks for an older purse. */
  readonly answer_ms_max?: number;
  /** The largest purse has 80 bytes a token. */
  readonly answerBytes_max?: number;
}

/** The largest purse is 84 MB, and waits until others are made: at 4 Mbit/s three minutes. */
const ANSWER_MS_MAX = 300_000;
const ANSWER_BYTES_MAX = 96 * 1024 * 1024;

export class MintClient implements Issuer {
  readonly #base: string;
  readonly #options: MintClientOptions;

  /** `base`: where the server is, without a path of it. */
  constructor(base: string, options: MintClientOptions = {}) {
    this.#base = base.replace(/\/$/, "");
    this.#options = options;
  }

  forward(word: Uint8Array, sealed: Uint8Array): Promise<IssuedPurses> {
    return this.#ask(MINT_PATHS.forward, encode([word, sealed]), readIssued);
  }

  request(sealed: Uint8Array): Promise<BuyerPurse> {
    return this.#ask(MINT_PATHS.request, sealed, readBuyerPurse);
  }

  redeem(sealed: Uint8Array): Promise<Redemption> {
    return this.#ask(MINT_PATHS.redeem, sealed, readRedemption);
  }

  returned(sealed: Uint8Array): Promise<Redemption> {
    return this.#ask(MINT_PATHS.returned, sealed, readRedemption);
  }

  collect(word: Uint8Array): Promise<Waiting> {
    return this.#ask(MINT_PATHS.collect, word, readWaiting);
  }

  refund(sealed: Uint8Array, halves?: Uint8Array): Promise<Refund> {
    if (halves !== undefined) return this.#ask(MINT_PATHS.refundHalves, encode([sealed, halves]), readRefund);
    return this.#ask(MINT_PATHS.refund, sealed, readRefund);
  }

  async #ask<Answer>(path: string, body: Uint8Array, read: (bytes: Uint8Array) => Answer): Promise<Answer> {
    const answer_ms_max = this.#options.answer_ms_max ?? ANSWER_MS_MAX;
    const answerBytes_max = this.#options.answerBytes_max ?? ANSWER_BYTES_MAX;
    const answer = await post(this.#base + path, body, { answer_ms_max, answerBytes_max });
    try {
      return read(answer);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      throw new TokenError(
        "unreachable",
        "Something that is no issuer answered. Whether anything was done is not known: ask the same again.",
        { cause: error },
      );
    }
  }
}
