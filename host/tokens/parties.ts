/**
 * What issuers and sellers of token halves can be asked, by whatever way: in one process, or over HTTP (http/). Everything that
 * has to be believed is signed or sealed; who carries it is of no matter. Refusals are TokenErrors, which nobody has signed: nothing that
 * costs money may rest on one.
 */

/** What a buyer is given (EP 0 833 285 A2 fig. 4, step 1028). */
export interface BuyerPurse {
  /** Sealed, to the buyer's chip. */
  readonly share: Uint8Array;
  /** In the source's scheme the buyer's halves, sealed in bulk to the buyer; else null: the chip makes them itself. */
  readonly halves: Uint8Array | null;
}

/** Both purses (step 1030). The same request again is given the same purses again, sealed anew. */
export interface IssuedPurses extends BuyerPurse {
  /** In bulk, to the seller. */
  readonly sellerPurse: Uint8Array;
}

/** What became of presented tokens (fig. 9). */
export interface Redemption {
  /** Signed, kind TOKEN NOTICE: what was credited. */
  readonly notice: Uint8Array;
  /** Tokens that were not honoured, and why; none of them was credited. */
  readonly refused: readonly RefusedToken[];
}

export interface RefusedToken {
  readonly serial: number;
  readonly why: "already-redeemed" | "wrong-secret" | "unknown-serial";
}

/** How far a refund is (fig. 10). */
export type Refund =
  /** The seller's purse was asked for; what is left is paid when it comes, or after the purse's last second for redemption. */
  | { readonly state: "recalled"; readonly paidBy_seconds: number }
  /** Signed, kind TOKEN NOTICE. */
  | { readonly state: "closed"; readonly notice: Uint8Array };

export interface Issuer {
  /**
   * A request by way of the seller (fig. 3, 502-504): `word` is the seller's WORD_FORWARD about `sealed`. While the seller waits
   * for the answer it may be asked for an older purse of the same buyer (SellerLine.recall), which it must answer meanwhile.
   */
  forward(word: Uint8Array, sealed: Uint8Array): Promise<IssuedPurses>;
  /** A buyer who is on line asks straight away; the seller's purse goes to the seller. */
  request(sealed: Uint8Array): Promise<BuyerPurse>;
  /** A WORD_REDEEM and the tokens, sealed in bulk (fig. 9). */
  redeem(sealed: Uint8Array): Promise<Redemption>;
  /** A WORD_RETURN and the last tokens of a purse, sealed in bulk (fig. 10, 1084-1088). */
  returned(sealed: Uint8Array): Promise<Redemption>;
  /**
   * A WORD_COLLECT: what waits for this seller. The word is about the answer to the seller's last one (SHA-256 of `encodeWaiting`,
   * of nothing if there was none or it got lost): what was in that is not given again.
   */
  collect(word: Uint8Array): Promise<Waiting>;
  /**
   * A sealed close: what was not spent is wanted back (fig. 10). Again: how far it is. In the source's scheme the first time with
   * the halves that were not spent, sealed in bulk.
   */
  refund(sealed: Uint8Array, halves?: Uint8Array): Promise<Refund>;
}

export interface Waiting {
  /** Sealed in bulk. A purse that the seller has already may come again. */
  readonly purses: readonly Uint8Array[];
  readonly recalls: readonly Uint8Array[];
  readonly notices: readonly Uint8Array[];
}

/** How an issuer reaches a seller. What fails is tried again, or collected by the seller. */
export interface SellerLine {
  /** A purse that a buyer got straight from the issuer. */
  deliver(sellerPurse: Uint8Array): Promise<void>;
  /** A signed recall; the answer is a WORD_RETURN and the last tokens, sealed in bulk. */
  recall(signed: Uint8Array): Promise<Uint8Array>;
  /** A signed notice: the purse is closed. */
  notice(signed: Uint8Array): Promise<void>;
}
