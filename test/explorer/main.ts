import { shippedApplet } from "../../simulator/applet-files.js";
import { RecordReader } from "../support/conservation-records.js";
import { Explorer } from "./explore.js";
import { MODULE_PLANS, ModuleStory, moduleBeginning } from "./module-stories.js";

const start = performance.now();
const beginning = await moduleBeginning("explorer", Number(process.argv[3] ?? 0));
console.log("beginning", Math.round(performance.now() - start));
const reader = await RecordReader.create();
for (const plan of MODULE_PLANS) {
  if (process.argv[2] !== undefined && !process.argv[2].split(",").includes(plan.name)) continue;
  const story = new ModuleStory(plan, beginning, shippedApplet("money-module"), reader);
  for (const budget of [
    { cuts: 0, messages: 1, deaths: 0 },
    { cuts: 0, messages: 0, deaths: 1 },
    { cuts: 1, messages: 0, deaths: 0 },
    ...(process.argv[4] === 'pairs' ? [{ cuts: 1, messages: 1, deaths: 0 }] : []),
  ]) {
    const explorer = new Explorer(story, { violationsMax: 5 });
    const t = performance.now();
    explorer.run(budget);
    console.log(plan.name, JSON.stringify(budget), explorer.counts, explorer.traceOperations, explorer.cutInTrace, explorer.happened, explorer.violations, Math.round(performance.now() - t));
  }
}
