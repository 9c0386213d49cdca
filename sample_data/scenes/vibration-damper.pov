// Rubber vibration damper (anti-vibration mount) with studs.
#include "studio.inc"
Studio(<-2.4, 3.6, -8.2>, <0.2, 1.75, 0>, 45, <1.0, 1.02, 1.04>)

#declare Body = union {
  lathe {
    cubic_spline 9
    <1.25, -0.5>, <1.30, 0.0>, <1.26, 0.2>, <1.08, 0.55>, <1.02, 0.85>, <1.08, 1.15>, <1.26, 1.5>, <1.30, 1.7>, <1.25, 2.2>
  }
  cylinder { y*0.02, y*1.68, 1.0 }
  texture { Rubber }
}
#declare Damper = union {
  object { Body }
  union {
    cylinder { y*-0.14, y*0.03, 1.36 }
    cylinder { y*1.67, y*1.84, 1.36 }
    object { Thread(0.3, 0.08, 0.13, 0.95) translate y*1.84 }
    object { Thread(0.3, 0.08, 0.13, 0.95) translate y*-1.08 }
    texture { Zinc }
  }
}

object { Damper translate y*0.14 rotate z*0 translate <-0.95, 0.95, 0.5> }
// plate the standing one is screwed into
object {
  Round_Box_Union(<-2.6, 0, -0.9>, <0.7, 0.95, 1.9>, 0.08)
  texture { Dark_Steel }
}
object { Damper translate y*-0.85 rotate z*90 rotate y*-52 translate <2.55, 1.36, -0.9> scale 0.8 }
