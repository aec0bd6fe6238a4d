/** WO 96/41315 fig. 17, Send TA/MM Message: from a trusted agent to its money module, under TA/MM. */

import { testLinkFigure } from "../support/figures-link.js";

testLinkFigure({
  figure: 17,
  message: "A agent>module AMOUNT",
  link: ["A agent>module", "A module>agent"],
  from: "agent",
  to: "module",
  receiver: (stage) => stage.A.module.element,
  steps: { seal: "step 668", carry: "steps 670-674", open: "step 676" },
});
