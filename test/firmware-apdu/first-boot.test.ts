/** A blank chip formats itself at its first power-up. Wherever that is cut, the next power-up makes a usable chip of it. */

import { expect, test } from "vitest";
import { AID_MONEY_MODULE, LIFE_BLANK } from "../../firmware/protocol/apdu.js";
import { Element } from "../../host/element.js";
import { SimulatorTransport } from "../../host/transports/simulator.js";
import { shippedApplet } from "../../simulator/applet-files.js";
import { Element as SimulatedElement } from "../../simulator/element.js";
import { PowerCut } from "../../simulator/faults.js";
import { testChip } from "../support/firmware.js";

/** Powers a blank chip on, cutting at operation `at`; false when there is no such operation. */
function cutAt(simulated: SimulatedElement, at: number, cut: "before" | "after"): boolean {
  let operations = 0;
  simulated.chip.onOperation = () => (operations++ === at ? { cut } : undefined);
  try {
    simulated.powerOn();
    return false;
  } catch (error) {
    expect(error).toBeInstanceOf(PowerCut);
    return true;
  } finally {
    simulated.chip.onOperation = undefined;
  }
}

test.each(["before", "after"] as const)("cut %s any operation", async (cut) => {
  const applet = shippedApplet("money-module");
  let cuts = 0;
  for (let at = 0; ; at += 1) {
    const simulated = new SimulatedElement(applet, testChip(`first boot ${at}`));
    const wasCut = cutAt(simulated, at, cut);
    const element = await Element.select(new SimulatorTransport(simulated), AID_MONEY_MODULE);
    expect(element.known.life, `operation ${at}`).toBe(LIFE_BLANK);
    await element.putKey(Uint8Array.from({ length: 32 }, (_, i) => (i * 37) & 0xff));
    await element.restart();
    expect(element.known.life, `operation ${at}`).toBeGreaterThan(LIFE_BLANK);
    if (!wasCut) break;
    cuts += 1;
  }
  expect(cuts).toBeGreaterThan(2);
});
