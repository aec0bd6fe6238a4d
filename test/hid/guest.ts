/** What runs in the guest (main.ts): the host, which starts the process of the devices. Its exit status is the test's. */

import { equal } from "node:assert/strict";
import { systemHidDevices } from "../../host/transports/node-hid.js";
import { Checks } from "./checks.js";
import { checkCommands } from "./command-checks.js";
import { checkDisorder, checkSlow, checkTransport, SLOW, WORKING } from "./framing-checks.js";
import { DeviceProcess } from "./parent.js";
import { checkPurchases } from "./purchase-checks.js";

const checks = new Checks();
const owner = new DeviceProcess();
await checks.run("a device that is plugged in is found by its serial number", async () => {
  equal((await owner.echo("ECHO1")).product.length > 0, true);
});
const echo = await owner.plug("ECHO1");
await checkDisorder(checks, echo);
await checkTransport(checks, echo);
await checkSlow(checks, owner, await owner.echo("SLOW1", SLOW), await owner.echo("WORK1", WORKING));
await checkPurchases(checks, owner);
await checks.run("a process that is told to end takes its devices with it", async () => {
  equal(await owner.end(), "SIGTERM");
  equal((await systemHidDevices.list()).length, 0);
});
await checkCommands(checks);
process.exit(checks.end());
