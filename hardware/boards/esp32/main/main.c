/* ESP32-S3 and ESP32-C3: from the start of ESP-IDF's main task to the card. */

#include <stdio.h>

#include "bootloader_random.h"
#include "line.h"
#include "store.h"

void app_main(void);

void app_main(void) {
  /*
   * The random number generator is fit for keys only while something feeds it noise: the radio, which is off, or the ADC, which this turns
   * on for good. Nothing else here uses the ADC.
   */
  bootloader_random_enable();
  if (!store_open()) (void)printf("No partition for the elements, or too small a one: flash partitions.csv.\n");
  else line_serve();
}
