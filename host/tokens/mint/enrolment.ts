/** Sellers and buyers come to an issuer, and change their accounts. What is open is paid in the unit that it was bought in. */

import { toHex } from "../../codec/bytes.js";
import { depositOf } from "../../services/bank-books.js";
import { sameUnit } from "../../units.js";
import { TokenError } from "../errors.js";
import type { MintParts } from "./parts.js";
import type { NewSeller } from "./registers.js";

export async function enrolSeller(parts: MintParts, seller: NewSeller): Promise<void> {
  if ((parts.money === undefined) !== (seller.account === null))
    throw new RangeError("account: a seller has one with a mint, and none with an authorization service");
  const known = await parts.registers.findSeller(toHex(seller.id));
  if (seller.account !== null) await requireSameUnit(parts, known?.account ?? undefined, seller.account);
  await parts.registers.addSeller(seller);
}

export async function enrolBuyer(parts: MintParts, subject: string, account: string): Promise<void> {
  if (!/^[0-9a-f]{32}$/.test(subject)) throw new RangeError("subject: expected 32 lower-case hexadecimal digits");
  await requireSameUnit(parts, await parts.registers.account(subject), account);
  await parts.registers.addBuyer(subject, account);
}

/** Throws a LedgerError where there is no such account. */
async function requireSameUnit(parts: MintParts, before: string | undefined, account: string): Promise<void> {
  const { money, books } = parts;
  if (money === undefined) throw new RangeError("account: an authorization service keeps no accounts");
  const unitOf = (number: string) => money.bank.tokens.depositUnit(books.database, depositOf(number));
  const unit = await unitOf(account);
  if (before === undefined || sameUnit(unit, await unitOf(before))) return;
  throw new TokenError(
    "unit-refused",
    "The new account is kept in another unit than the one before, in which open tokens are paid. Nothing was changed.",
  );
}
