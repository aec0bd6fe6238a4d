/** Wallets without agents that meet over real lines, and what happens to the lines between them. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { ENVELOPE_CHANNEL, type SentEnvelope } from "../../host/communications/line.js";
import { Device } from "../../host/device.js";
import { systemRandom } from "../../host/randomness.js";
import { Contacts } from "../../host/wallet/contacts.js";
import { RemoteCounterparties } from "../../host/wallet/remote-counterparties.js";
import { Wallet } from "../../host/wallet/wallet.js";
import { type BankWorld, PIN } from "./bank-world.js";
import { hurriedTimers } from "./hurried.js";

/** A text that is kept in memory, and survives whoever uses it. */
export function memoryStorage() {
  let text: string | undefined;
  return {
    read: () => text,
    write: (next: string) => {
      text = next;
    },
  };
}

/** A wallet with this much in it. */
export async function walletOf(
  world: BankWorld,
  name: string,
  amounts: readonly string[] = [],
  storage = memoryStorage(),
): Promise<Wallet> {
  const { module } = await world.customer(name, ...amounts);
  return walletWith(new Device({ name, module, clock: world.time, timers: hurriedTimers }), storage);
}

export function walletWith(device: Device, storage = memoryStorage(), directory?: string): Promise<Wallet> {
  const lines = { timers: hurriedTimers, random: systemRandom };
  return Wallet.open({
    device,
    pin: PIN,
    counterparties: new RemoteCounterparties({ ...lines, ...(directory === undefined ? {} : { directory }) }),
    contacts: new Contacts(storage),
    random: systemRandom,
    account: (unit) => `${device.name}-${unit.currency}`,
    close: async () => undefined,
  });
}

/** While it works, the line of the k-th message ends there for good: neither end gets that message or any later one. */
export async function cutAt<Result>(
  k: number,
  work: () => Promise<Result>,
): Promise<{ result: Result; messages: number }> {
  let messages = 0;
  const seen = (sent: unknown) => {
    messages += 1;
    if (messages === k) (sent as SentEnvelope).line.abandon(new Error("the cable was pulled"));
  };
  subscribe(ENVELOPE_CHANNEL, seen);
  try {
    return { result: await work(), messages };
  } finally {
    unsubscribe(ENVELOPE_CHANNEL, seen);
  }
}

/** Spendable money of one currency. */
export async function has(wallet: Wallet, currency = 840): Promise<bigint> {
  return (await wallet.balances()).find(({ unit }) => unit.currency === currency)?.spendable ?? 0n;
}
