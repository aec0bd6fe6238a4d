/** Who was whom, when a payment inside one process breaks off. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Pending } from "../../host/element-data.js";
import { contactsIn } from "../../host/world/contacts.js";
import { HomeCounterparties } from "../../host/world/counterparties.js";
import { Site } from "../../host/world/site.js";
import { homeIn, partsIn } from "../../host/world/wallet.js";
import { tally, unpackHome } from "../support/homes.js";

test("what a payee has in doubt is not said to be with the bank that it dealt with before", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-payee-"));
  try {
    unpackHome(folder);
    expect((await tally("--home", folder, "wallet", "withdraw", "bob", "USD 1.00")).code).toBe(0);
    const home = homeIn(folder);
    const payer = new Uint8Array(16).fill(7);
    const open = [{ peer: payer } as Pending];
    const counterparties = new HomeCounterparties(Site.read(partsIn(home)));
    // A payer that says nothing: its process is killed before the payee has heard how it ended.
    const { link } = await counterparties.payee("bob");
    const known = contactsIn(home, "bob");
    known.settle(open);
    expect(known.of(payer)).toBeUndefined();
    await link.close();
    await counterparties.close();
    await home.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
