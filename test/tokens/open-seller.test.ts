/** A seller in a file of its own: it is closed and opened again, and one process has it at a time. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { encodeOuter } from "../../host/tokens/messages/request.js";
import { openSeller, SellerInUseError } from "../../host/tokens/seller/open-seller.js";
import { DAY, GOODS, outcome, range } from "../support/seller-world.js";
import { agentsAgency, FINE_DOLLAR, seededRandom, TokenBuyer } from "../support/token-buyer.js";
import { TestIssuer } from "../support/token-issuer.js";

it("is opened, paid, closed and opened again: what is spent stays spent, and nobody else has it meanwhile", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-seller-"));
  const file = join(folder, "seller.db");
  const random = seededRandom("open seller");
  const now = Math.floor(Date.now() / 1000);
  const agency = agentsAgency(random, now - DAY);
  const issuer = new TestIssuer(agency, random, () => now);
  const keys = { signatureSeed: new Uint8Array(32).fill(1), agreementSecret: new Uint8Array(32).fill(2) };
  const open = () => openSeller(file, { keys, root: agency.root, issuers: [{ chain: issuer.chain, line: issuer }] });

  let seller = await open();
  await expect(open()).rejects.toThrow(SellerInUseError);
  issuer.serve({ id: seller.id, ...seller.keys });
  const buyer = new TokenBuyer(agency, random, now - DAY);
  const times = { spendBy_seconds: now + 30 * DAY, time_seconds: now };
  const asked = buyer.ask(issuer.keys, { seller: seller.id, ...times });
  const { share } = await seller.forward(encodeOuter({ issuer: issuer.keys.id, sealed: asked.sealed }));
  const purse = buyer.install(issuer.keys, asked, share);
  const expected = { goods: GOODS, unit: FINE_DOLLAR, price: 10n };
  const payment = () => buyer.pay(purse, buyer.order(purse, 10n, { goods: GOODS }), range(0));
  const paid = payment();
  expect(await outcome(seller.accept(paid, expected))).toBe("paid");
  await seller.close();

  // Another process has it, until it is killed.
  const hold = `const Libsql = require("libsql"); new Libsql(process.argv[1]).exec("BEGIN EXCLUSIVE"); console.log("held"); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ["-e", hold, `${file}.lock`], { stdio: ["ignore", "pipe", "inherit"] });
  await once(holder.stdout, "data");
  await expect(open()).rejects.toThrow(/Somebody is working with the seller in .*seller.db.*Nothing was opened/);
  holder.kill("SIGKILL");
  await once(holder, "exit");

  seller = await open();
  expect(await outcome(seller.accept(payment(), expected))).toBe("half-spent");
  expect(await outcome(seller.accept(paid, expected))).toBe("paid");
  expect(seller.balance()).toMatchObject([{ accepted: 10n }]);
  expect(await seller.audit()).toEqual([]);
  await seller.close();
  rmSync(folder, { recursive: true });
}, 20_000);
