/**
 * Defects made on purpose, which must be noticed: of the purse as edits of its sources, compiled to a binary of its own; of mint and seller
 * as edits of the program that the compiler made of their sources, in a copy of it. What ships can contain none.
 */

import type { SourceEdit } from "../../scripts/firmware/compile.js";
import type { FaultKind } from "./explore.js";

/** Who has to notice. */
export type Check =
  /** The explorer, in this story, with one fault of these kinds; without any if there are none. */
  | { readonly story: string; readonly kinds: readonly FaultKind[] }
  /** Tests that must fail. */
  | { readonly tests: string };

export interface PurseDefect {
  readonly name: string;
  readonly edits: readonly SourceEdit[];
  readonly check: Check;
}

export interface HostDefect {
  readonly name: string;
  /** Without its ending, from the top of the project. */
  readonly module: string;
  readonly find: string;
  readonly replace: string;
  readonly check: Extract<Check, { story: string }>;
}

const plain = (story: string): Extract<Check, { story: string }> => ({ story, kinds: [] });
const struck = (story: string, ...kinds: FaultKind[]): Extract<Check, { story: string }> => ({ story, kinds });
const tests = (file: string): Check => ({ tests: `test/${file}.test.ts` });

function purse(name: string, file: string, find: string, replace: string, check: Check): PurseDefect {
  return { name, edits: [{ path: `firmware/purse/${file}.ts`, find, replace }], check };
}

export const PURSE_DEFECTS: readonly PurseDefect[] = [
  purse(
    "what is spent is not stored",
    "spend",
    "  if (status > 0) status = purseSave(<u32>slot, p);\n",
    "  if (status > 0) status = 0;\n",
    plain("life"),
  ),
  purse(
    "the order's hash is not compared",
    "spend",
    "(p.flags & PURSE_HAS_ORDER) != 0 && equal(p.orderHash, orderHash, HASH_BYTES)",
    "(p.flags & PURSE_HAS_ORDER) != 0",
    plain("life"),
  ),
  purse(
    "a new order begins with the tokens of the one before",
    "spend",
    "    p.setFirst(d, first);\n",
    "    if (p.orderHash == 0) p.setFirst(d, first);\n",
    plain("life"),
  ),
  purse(
    "an order that is paid on pays all of it again",
    "spend",
    "  const due = amount - p.revealed;\n",
    "  const due = p.revealed == amount ? <u64>0 : amount;\n",
    plain("life"),
  ),
  purse(
    "the same order again takes other tokens",
    "spend",
    "  status = isAgain ? sameFirsts() : newOrder();\n",
    "  status = newOrder();\n",
    plain("life"),
  ),
  purse(
    "what is spent is stored in two writes",
    "spend",
    "  for (let d: u32 = 0; d < p.denominations; d++) p.setNext(d, p.next(d) + chosen(d));\n  p.revealed = amount;\n",
    "  p.revealed = amount;\n  purseSave(0, p);\n  for (let d: u32 = 0; d < p.denominations; d++) p.setNext(d, p.next(d) + chosen(d));\n",
    struck("life", "cut"),
  ),
  purse(
    "a half does not depend on its purse",
    "order",
    "  memory.copy(input, purse.id, ID_BYTES);\n",
    "  memory.fill(input, 0, ID_BYTES);\n",
    plain("life"),
  ),
  purse(
    "halves are shown without a mask",
    "order",
    "load<u8>(to + i) ^ load<u8>(mask + i)",
    "load<u8>(to + i)",
    tests("purse/spend"),
  ),
  purse(
    "a request that is repeated has another seed",
    "request",
    "p.state == PURSE_OPEN ? -REASON_PURSE_OPEN : -REASON_PURSE_CLOSED;\n  return requestSend(<u32>slot);",
    "p.state == PURSE_OPEN ? -REASON_PURSE_OPEN : -REASON_PURSE_CLOSED;\n  randomBytes(p.seed, KEY_BYTES);\n  return requestSend(<u32>slot);",
    struck("life", "message"),
  ),
  purse(
    "the purse that a request flushes is closed in a write of its own",
    "request",
    "  if (status >= 0) status = pursePut(freeSlot, p);\n",
    "  if (status >= 0 && openSlot != NONE) {\n    status = storeCommit();\n    if (status >= 0) status = storeBegin(PURSE_BYTES, 1);\n  }\n  if (status >= 0) status = pursePut(freeSlot, p);\n",
    tests("purse/power-cut"),
  ),
  purse(
    "a request does not name the purse that it flushes",
    "request",
    "  p.flags |= PURSE_HAS_FLUSHED;\n",
    "",
    plain("flush"),
  ),
  purse("a close is said before it is stored", "close", "    status = purseSave(<u32>slot, p);\n", "", plain("life")),
  purse(
    "a closed purse spends",
    "spend",
    "  if (p.state != PURSE_OPEN) return p.state == PURSE_REQUESTED ? -REASON_PURSE_WAITING : -REASON_PURSE_CLOSED;\n  status = orderFits",
    "  if (p.state == PURSE_REQUESTED) return -REASON_PURSE_WAITING;\n  status = orderFits",
    tests("figures-tokens/fig10-close"),
  ),
  purse(
    "a purse is forgotten without the issuer's word",
    "close",
    "  status = coseVerify(SIGNED_TOKEN_NOTICE, signed, length, p.issuerSignatureKey);\n  if (status >= 0) status = isRefund",
    "  cosePayload(signed, length);\n  status = isRefund",
    tests("purse/close"),
  ),
  purse(
    "another seller's share is taken",
    "install",
    "  if (!equal(share.seller, p.seller, ID_BYTES) || ",
    "  if (",
    tests("purse/install"),
  ),
  purse(
    "a share of another purse is taken for the same request",
    "install",
    "  if (!equal(p.id, other.id, ID_BYTES)) return -REASON_PURSE_DIFFERS;\n",
    "",
    tests("purse/install"),
  ),
  purse("an allowance is not lowered", "spend", "    p.allowance -= due;\n", "", tests("purse/spend")),
  purse(
    "the last second for spending is not looked at",
    "spend",
    "  if (p.isSpendingOver()) return -REASON_SPENDING_OVER;\n",
    "",
    tests("purse/spend"),
  ),
];

function host(
  name: string,
  file: string,
  find: string,
  replace: string,
  check: Extract<Check, { story: string }>,
): HostDefect {
  return { name, module: `host/tokens/${file}`, find, replace, check };
}

export const HOST_DEFECTS: readonly HostDefect[] = [
  host(
    "mint: redeemed tokens are not marked",
    "mint/redeemed",
    "bits[byte] = before | bit;",
    "bits[byte] = before;",
    plain("life"),
  ),
  host(
    "mint: the same words are judged again",
    "mint/redemption",
    "if (row === undefined)\n        return undefined;",
    "if (row === undefined || true)\n        return undefined;",
    struck("life", "message"),
  ),
  host(
    "mint: a purse that is returned stays open",
    "mint/redemption",
    "if (type === WORD_RETURN)",
    "if (type === 0)",
    plain("life"),
  ),
  host(
    "mint: a refund forgets what was redeemed",
    "mint/closing",
    "const left = purse.face - purse.amountRedeemed;",
    "const left = purse.face;",
    plain("life"),
  ),
  host(
    "mint: tokens are given away",
    "mint/mint",
    "await money.charge(transaction, purse, payer, account);",
    "",
    plain("life"),
  ),
  host(
    "mint: the same request makes another purse",
    "mint/mint",
    "const known = await this.#earlier(unsealed, books.database);",
    "const known = undefined;",
    struck("life", "message"),
  ),
  host(
    "mint: a purse is debited in a transaction of its own",
    "mint/mint",
    "const made = await books.transact((transaction) => this.#generate(transaction, unsealed, isDirect));",
    "const made = await this.#generate(books.database, unsealed, isDirect);",
    struck("life", "crash"),
  ),
  host(
    "mint: what was handed out is struck off at once",
    "mint/collect",
    "await books.setCollected(transaction, seller.key, sha256(encodeWaiting(waiting)));",
    "await books.strikeHanded(transaction, seller.key);",
    struck("online", "message"),
  ),
  host(
    "mint: purses that are over stay open",
    "mint/refund",
    "await parts.books.dueBefore(parts.now())",
    "await parts.books.dueBefore(0)",
    plain("withheld"),
  ),
  host(
    "mint: a close deletes the notice that waits",
    "mint/closing",
    'await parts.books.addWaiting(transaction, "notice", purse);',
    "",
    struck("withheld", "message", "crash"),
  ),
  host(
    "seller: answers before its books are written",
    "seller/seller",
    "await log.commit();\n            record.rowsStored",
    "record.rowsStored",
    struck("life", "restart"),
  ),
  host(
    "seller: what was accepted is forgotten by its next life",
    "seller/books",
    "book?.take(ranges, secrets.subarray(at, end));",
    "",
    struck("life", "restart"),
  ),
  host(
    "seller: leaves are not looked at",
    "derive",
    "export function firstFalseSecret(",
    "export function firstFalseSecret() { return -1; }\nfunction firstFalseSecretUnused(",
    struck("life", "message"),
  ),
  host(
    "seller: a purse goes back and stays open in the books",
    "seller/redeeming",
    "await markReturned(transaction, purse, issuer.certificate.id);\n                await addPresentation",
    "await addPresentation",
    plain("life"),
  ),
  host(
    "seller: a presentation is sent before it is written",
    "seller/redeeming",
    "await log.commit((transaction) => addPresentation(transaction, row));",
    "await log.commit();",
    struck("life", "message"),
  ),
  host(
    "seller: a half that was taken is taken again",
    "seller/purse-book",
    "isTaken(serial) {",
    "isTaken(serial) {\n        return false;",
    plain("life"),
  ),
];
