// Steel spur gear and a small pinion.
#include "studio.inc"
Studio(<-2.2, 4.6, -8.6>, <0.3, 1.7, 0>, 40, <0.46, 0.52, 0.60>)

#macro Inv(A) (tan(A) - A) #end

// Involute toothed disc along y, 0..H. N teeth of module M.
#macro Toothed(N, M, H)
  #local Rp = N*M/2;
  #local Ra = Rp + M;
  #local Rd = Rp - 1.25*M;
  #local Rb = Rp*cos(radians(20));
  #local K = 7;
  intersection {
    prism {
      linear_spline 0, H, N*2*K + 1
      #local I = 0;
      #while (I < N)
        #local A0 = 2*pi*I/N;
        #local J = 0;
        #while (J < 2*K)
          #local Q = (J < K ? J : 2*K - 1 - J)/(K - 1);
          #local S = (J < K ? -1 : 1);
          #local R = Rd + (Ra - Rd)*Q;
          #local Rc = max(R, Rb);
          #local Half = pi/(2*N) + Inv(radians(20)) - Inv(acos(Rb/Rc));
          #if ((J = 0) | (J = 2*K - 1)) #local Half = Half*1.18; #end
          <R*cos(A0 + S*Half), R*sin(A0 + S*Half)>,
          #local J = J + 1;
        #end
        #local I = I + 1;
      #end
      #local Half = (pi/(2*N) + Inv(radians(20)) - 0)*1.18;
      <Rd*cos(-Half), Rd*sin(-Half)>
    }
    Chamfer_Disc(Ra, H, M*0.25)
  }
#end

#declare Turned = texture {
  pigment { rgb <0.56, 0.57, 0.58> }
  normal { wood 0.05 rotate x*90 scale 0.03 }
  finish { Steel_Finish }
}

// Big wheel: 32 teeth, web, hub, holes, bore with key way.
#declare H1 = 0.9;
#declare Big = difference {
  union {
    difference {
      Toothed(32, 0.118, H1)
      cylinder { <0, H1 - 0.22, 0>, <0, 2, 0>, 1.45 }
      cylinder { <0, -1, 0>, <0, 0.22, 0>, 1.45 }
    }
    intersection {
      cylinder { <0, -0.12, 0>, <0, H1 + 0.12, 0>, 0.72 }
      object { Chamfer_Disc(0.72, H1 + 0.24, 0.05) translate -0.12*y }
    }
  }
  cylinder { <0, -1, 0>, <0, 3, 0>, 0.4 }
  box { <-0.1, -1, 0> <0.1, 3, 0.54> }
  #declare I = 0;
  #while (I < 6)
    cylinder { <1.08, -1, 0>, <1.08, 3, 0>, 0.2 rotate y*(60*I + 30) }
    #declare I = I + 1;
  #end
  texture { Turned }
}

// Pinion: 16 teeth.
#declare Pinion = difference {
  union {
    Toothed(16, 0.118, 0.9)
    cylinder { <0, 0.85, 0>, <0, 1.15, 0>, 0.55 }
  }
  cylinder { <0, -1, 0>, <0, 3, 0>, 0.28 }
  box { <-0.07, -1, 0> <0.07, 3, 0.37> }
  texture { Turned }
}

object { Big rotate y*5.625 translate -H1/2*y rotate x*-90 rotate y*-18 translate <-0.25, 1.99, 0.5> }
object { Pinion rotate y*35 translate <1.9, 0, -1.3> }
