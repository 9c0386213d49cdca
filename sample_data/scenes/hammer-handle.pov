// Hammer with an ash handle, and a spare ash handle in front.
#include "studio.inc"
Studio(<-1.6, 5.4, -7.4>, <0.15, 0.3, 0.0>, 46, <0.72, 0.78, 0.84>)

// Ash: pale, straight grain along x, open porous early wood.
#declare Ash = texture {
  pigment {
    wood
    turbulence <0.02, 0.06, 0.06> octaves 4
    color_map {
      [0.00 rgb <0.70, 0.52, 0.32>] [0.25 rgb <0.66, 0.47, 0.28>]
      [0.55 rgb <0.56, 0.37, 0.20>] [0.80 rgb <0.40, 0.24, 0.115>]
      [0.88 rgb <0.46, 0.28, 0.14>] [1.00 rgb <0.70, 0.52, 0.32>]
    }
    ramp_wave
    scale <0.13, 0.13, 1>
    rotate y*90
    rotate z*2.2
    rotate y*1.5
    translate <0, -1.1, 0.9>
  }
  finish { Wood_Finish }
}
// Short dark pores laid over the grain.
#declare Pores = texture {
  pigment {
    bozo
    color_map {
      [0.00 rgbt <0.25, 0.14, 0.06, 0.25>] [0.24 rgbt <0.3, 0.17, 0.08, 0.6>]
      [0.30 rgbt <0.5, 0.3, 0.2, 1>] [1.00 rgbt 1]
    }
    scale <0.35, 0.016, 0.016>
  }
  finish { Wood_Finish }
}

// Handle along x from 0 (eye end) to 6.2: swelling grip, slim neck.
#declare Handle = union {
  lathe {
    cubic_spline 12
    <0.30, -0.3>, <0.30, 0>, <0.31, 0.8>, <0.36, 1.1>, <0.28, 2.0>, <0.29, 2.8>, <0.37, 3.9>
    <0.40, 4.8>, <0.36, 5.5>, <0.43, 6.0>, <0.30, 6.22>, <0.0, 6.24>
    rotate z*-90
    scale <1, 1.12, 0.82>
  }
  cylinder { 0, x*0.02, 0.3 scale <1, 1.12, 0.82> }
  texture { Ash }
  texture { Pores }
}

#declare Forged = texture {
  pigment { rgb <0.16, 0.165, 0.18> }
  normal { granite 0.08 scale 0.3 }
  finish { Steel_Finish }
}
// Head: eye at the origin, face towards -z, pein towards +z.
#declare Head = union {
  difference {
    superellipsoid { <0.25, 0.25> scale <0.48, 0.46, 0.62> }
    cylinder { -x, x, 0.31 scale <1, 1.12, 0.82> }
  }
  superellipsoid { <0.3, 0.3> scale <0.36, 0.36, 0.4> translate z*-0.75 }
  cylinder { z*-1.05, z*-1.28, 0.46 texture { Steel } }
  cone { z*-1.28, 0.46, z*-1.33, 0.41 texture { Steel } }
  prism {                                   // wedge-shaped cross pein
    linear_spline -0.42, 0.42, 5
    <-0.42, 0.4>, <0.42, 0.4>, <0.07, 1.45>, <-0.07, 1.45>, <-0.42, 0.4>
    rotate z*90
  }
  texture { Forged }
}

union {                                     // hammer
  object { Handle translate x*-0.5 }
  object { Head }
  translate <-2.7, 0.46, 0>
  rotate z*-0.7
  rotate y*14
  translate <0.1, 0, 0.9>
}
object {                                    // spare handle
  Handle
  rotate x*80
  translate <-2.95, 0.37, 0>
  rotate y*-7
  translate <0.35, 0, -1.05>
}
