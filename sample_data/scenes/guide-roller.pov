// Grooved guide rollers (rope pulleys) moulded in natural nylon.
#include "studio.inc"
Studio(<-2.6, 3.6, -8.4>, <0.45, 1.6, 0>, 43, <0.80, 0.92, 1.06>)

#declare Nylon = texture {
  pigment { rgb <0.86, 0.82, 0.70> }
  normal { bumps 0.02 scale 0.1 }
  finish {
    diffuse 0.72 specular 0.3 roughness 0.025 emission 0.03
    reflection { 0.01, 0.14 fresnel on } conserve_energy
  }
}

// Wheel about y, centred.
#declare Wheel = union {
  lathe {                                         // rim with its groove
    linear_spline 13
    <1.25, -0.5>, <1.72, -0.5>, <1.8, -0.44>, <1.8, -0.34>, <1.52, -0.12>, <1.46, 0>
    <1.52, 0.12>, <1.8, 0.34>, <1.8, 0.44>, <1.72, 0.5>, <1.25, 0.5>, <1.18, 0>, <1.25, -0.5>
  }
  cylinder { -y*0.09, y*0.09, 1.25 }              // web
  difference {
    union {
      cylinder { -y*0.56, y*0.56, 0.52 }
      torus { 0.48, 0.04 translate y*0.56 }
      torus { 0.48, 0.04 translate y*-0.56 }
    }
    cylinder { -y, y, 0.27 }
  }
  #declare I = 0;
  #while (I < 8)
    object { Round_Box_Union(<0.45, -0.36, -0.06>, <1.25, 0.36, 0.06>, 0.02) rotate y*45*I }
    #declare I = I + 1;
  #end
}
#declare Bored = difference {
  object { Wheel }
  cylinder { -2*y, 2*y, 0.27 }
}

object { Bored texture { Nylon } rotate y*12 rotate x*90 rotate y*22 translate <-0.35, 1.8, 0.4> }
object { Bored texture { Nylon } rotate y*10 scale 0.62 translate <2.25, 0.6*0.62, -0.9> }
