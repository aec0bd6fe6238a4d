/** Deposits into an account at the bank's teller: a payment to the teller whose memo names the account. */

import type { Device } from "../device.js";
import type { Money } from "../units.js";
import { pay } from "./pay.js";
import type { Transfer } from "./transfer.js";
import type { BankConnection } from "./withdraw.js";

export async function deposit(device: Device, bank: BankConnection, account: string, money: Money): Promise<Transfer> {
  return pay(device, await bank.connect(), money, { memo: account });
}
