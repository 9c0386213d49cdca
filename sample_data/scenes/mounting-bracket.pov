// Aluminium L bracket with bolt holes, inner fillet and gusset.
#include "studio.inc"
Studio(<-4.2, 4.2, -7.2>, <0, 1.1, 0.1>, 34, <0.40, 0.50, 0.64>)

#declare T = 0.32;     // plate thickness
#declare W = 1.5;      // half width
#declare L = 2.6;      // leg length

#macro Bolt_Hole(R)    // along y, entering at y=0 from above
  union {
    cylinder { <0, -1, 0>, <0, 1, 0>, R }
    cone { <0, -0.1, 0>, R, <0, 0.02, 0>, R + 0.12 }
  }
#end

difference {
  union {
    Round_Box_Union(<-W, 0, -L>, <W, T, 0.0>, 0.05)
    Round_Box_Union(<-W, 0, -T>, <W, L, 0.0>, 0.05)
    difference {       // fillet in the corner
      box { <-W + 0.02, T - 0.02, -T - 0.3> <W - 0.02, T + 0.3, -T + 0.02> }
      cylinder { <-2*W, T + 0.3, -T - 0.3>, <2*W, T + 0.3, -T - 0.3>, 0.3 }
    }
    prism {            // gusset
      linear_spline -0.13, 0.13, 4
      <0, 0>, <1.35, 0>, <0, -1.35>, <0, 0>
      rotate z*90
      translate <0, T - 0.01, -T + 0.01>
    }
  }
  object { Bolt_Hole(0.26) translate <-0.85, T, -1.85> }
  object { Bolt_Hole(0.26) translate < 0.85, T, -1.85> }
  object { Bolt_Hole(0.26) rotate x*-90 translate <-0.85, 1.9, -T> }
  object { Bolt_Hole(0.26) rotate x*-90 translate < 0.85, 1.9, -T> }
  texture { Aluminium }
  translate z*1.1
  rotate y*12
}
