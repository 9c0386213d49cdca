// Turned drawer knobs of beech wood.
#include "studio.inc"
Studio(<-2.0, 3.9, -7.4>, <0.0, 0.8, 0>, 39, <0.80, 0.90, 0.90>)

// Beech: pinkish tan, quiet rings, many short dark flecks.
#declare Beech = texture {
  pigment {
    wood
    turbulence 0.05 octaves 4
    color_map {
      [0.00 rgb <0.60, 0.35, 0.185>] [0.70 rgb <0.54, 0.30, 0.15>]
      [0.90 rgb <0.42, 0.215, 0.10>] [1.00 rgb <0.60, 0.35, 0.185>]
    }
    ramp_wave
    scale <0.22, 0.22, 1>
    rotate x*4
    translate <1.9, 0.6, 0>
  }
  finish { Wood_Finish }
}
#declare Flecks = texture {
  pigment {
    bozo
    color_map {
      [0.00 rgbt <0.22, 0.10, 0.04, 0.15>] [0.22 rgbt <0.24, 0.11, 0.05, 0.55>]
      [0.28 rgbt <0.5, 0.3, 0.2, 1>] [1.00 rgbt 1]
    }
    scale <0.022, 0.022, 0.16>
  }
  finish { Wood_Finish specular 0.25 roughness 0.03 }
}

#declare Knob = union {
  lathe {
    cubic_spline 13
    <0.72, -0.1>, <0.78, 0.0>, <0.78, 0.10>, <0.62, 0.24>, <0.46, 0.46>, <0.46, 0.72>, <0.72, 0.98>
    <1.10, 1.20>, <1.16, 1.42>, <0.98, 1.62>, <0.5, 1.76>, <0.0, 1.79>, <-0.4, 1.76>
  }
  torus { 0.83, 0.028 translate y*1.665 }
  texture { Beech }
  texture { Flecks }
}
#declare Screw = union {
  object { Thread(0.14, 0.05, 0.08, 0.7) translate y*-0.7 }
  texture { Zinc }
}
#declare Bottom = difference {
  cylinder { y*0.001, y*0.02, 0.77 }
  cylinder { -y, y, 0.13 }
  texture { Beech }
  texture { Flecks }
}

object { Knob rotate y*35 translate <-1.25, 0, 0.6> }
union {
  object { Knob rotate y*70 }
  object { Bottom }
  object { Screw }
  rotate z*-104 rotate y*-52
  translate <1.15, 1.0, 0.1>
}
object { Knob rotate y*120 scale 0.72 translate <-0.25, 0, -1.45> }
