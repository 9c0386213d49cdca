// Set of black rubber O-rings.
#include "studio.inc"
Studio(<-1.6, 5.6, -6.6>, <0.0, 0.1, -0.1>, 35, <1.08, 1.08, 1.06>)

#macro Ring(R, S) torus { R, S translate y*S } #end

union {
  object { Ring(1.5, 0.17) translate <-0.75, 0, 0.55> }
  object { Ring(1.0, 0.15) translate <-0.75, 0, 0.45> }
  object { Ring(0.55, 0.12) translate <-0.8, 0, 0.4> }
  object { Ring(0.95, 0.13) rotate z*11.5 translate <1.38, 0.17, -0.35> }
  object { Ring(0.6, 0.14) translate <1.6, 0, -0.45> }
  object { Ring(0.42, 0.10) translate <0.2, 0, -1.5> }
  object { Ring(0.28, 0.08) translate <-0.7, 0, -1.65> }
  object { Ring(0.28, 0.08) translate <-1.45, 0, -1.45> }
  object { Ring(0.5, 0.12) translate <1.75, 0, 1.2> }
  texture { Rubber }
}
