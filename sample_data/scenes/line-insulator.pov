// Brown glazed porcelain line post insulator with metal fittings.
#include "studio.inc"
Studio(<-2.5, 4.4, -14.0>, <0, 3.3, 0>, 23, <0.96, 1.0, 1.05>)

#declare Porcelain = texture {
  pigment { rgb <0.105, 0.031, 0.014> }
  finish { Glaze_Finish }
}

#declare Shed = lathe {      // one shed and its core piece, 0.62 high
  cubic_spline 11
  <0.50, -0.2>, <0.50, 0.0>, <0.56, 0.10>, <0.85, 0.09>, <1.22, 0.02>, <1.27, 0.06>
  <1.22, 0.12>, <0.88, 0.28>, <0.58, 0.42>, <0.50, 0.58>, <0.50, 0.7>
}
#declare Small = lathe {
  cubic_spline 11
  <0.50, -0.2>, <0.50, 0.0>, <0.54, 0.09>, <0.72, 0.08>, <0.92, 0.03>, <0.96, 0.06>
  <0.92, 0.11>, <0.74, 0.22>, <0.56, 0.34>, <0.50, 0.48>, <0.50, 0.6>
}

union {
  cylinder { y*0.7, y*6.1, 0.5 }
  #declare Y = 0.95;
  #declare I = 0;
  #while (I < 9)
    object { #if (mod(I, 2) = 0) Shed #else Small #end translate y*Y }
    #declare Y = Y + 0.53;
    #declare I = I + 1;
  #end
  texture { Porcelain }
  interior { ior 1.55 }
}

union {                       // foot and cap, galvanised
  cylinder { 0, y*0.18, 1.05 }
  cone { y*0.18, 0.78, y*0.85, 0.66 }
  torus { 0.64, 0.04 translate y*0.85 }
  cone { y*5.85, 0.64, y*6.35, 0.55 }
  torus { 0.62, 0.04 translate y*5.85 }
  cylinder { y*6.35, y*6.45, 0.5 }
  cylinder { <-0.75, 6.55, 0>, <0.75, 6.55, 0>, 0.16 }
  sphere { <-0.75, 6.55, 0>, 0.22 }
  sphere { <0.75, 6.55, 0>, 0.22 }
  #declare I = 0;
  #while (I < 4)
    object { Hex(0.11, 0.12) translate <0.9, 0.18, 0> rotate y*(90*I + 30) }
    #declare I = I + 1;
  #end
  texture {
    pigment { rgb <0.50, 0.52, 0.53> }
    normal { granite 0.06 scale 0.2 }
    finish { Cast_Finish }
  }
}
